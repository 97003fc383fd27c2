"""What the home page shows: what staff keep, what is pulled more than before, what is new."""

from datetime import timedelta

from django.core.cache import cache
from django.db.models import Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from repositories.models import DailyPulls, Repository

TOP_LEVEL_COUNT = 12
ROW_COUNT = 6
RISING_DAYS = 14  # compared with as many before
# The sums over two windows of days are the one costly part of the page, and change slowly.
RISING_SECONDS = 300


def top_level() -> list[Repository]:
    repositories = Repository.objects.filter(namespace=None).with_images()
    return list(repositories.by_popularity()[:TOP_LEVEL_COUNT])


def rising() -> list[Repository]:
    """User repositories that gained the most pulls, best first."""
    ids = cache.get_or_set("home-rising", _rising_ids, RISING_SECONDS) or []
    # What became private meanwhile, or lost its images, goes at once.
    shown = Repository.objects.public().with_images().select_related("namespace").in_bulk(ids)
    return [shown[pk] for pk in ids if pk in shown]


def newest() -> list[Repository]:
    listed = Repository.objects.exclude(namespace=None).public().with_images()
    return list(listed.select_related("namespace").order_by("-created_at", "-pk")[:ROW_COUNT])


def _rising_ids() -> list[int]:
    today = timezone.now().date()
    recent = Q(day__gt=today - timedelta(days=RISING_DAYS))
    gains = (
        DailyPulls.objects.filter(
            day__gt=today - timedelta(days=2 * RISING_DAYS),
            repository__namespace__isnull=False,
            repository__is_private=False,
            repository__pushed_at__isnull=False,
        )
        .values("repository")
        .annotate(
            gain=Coalesce(Sum("count", filter=recent), 0)
            - Coalesce(Sum("count", filter=~recent), 0)
        )
        .filter(gain__gt=0)
        .order_by("-gain", "repository")
    )
    return list(gains.values_list("repository", flat=True)[:ROW_COUNT])
