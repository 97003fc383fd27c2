"""The small line of a repository's pulls over the last 90 days."""

from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Sum
from django.utils import timezone

from repositories.models import Repository

DAYS = 90
WIDTH, HEIGHT = 240, 40  # of the drawing, in its own units


@dataclass(frozen=True)
class PullChart:
    total: int
    points: str  # for an SVG polyline, oldest day first


def pull_chart_of(repository: Repository) -> PullChart:
    """One query."""
    today = timezone.now().date()
    first = today - timedelta(days=DAYS - 1)
    sums = repository.daily_pulls.filter(day__gte=first, day__lte=today).values_list("day")
    counts: dict[date, int] = dict(sums.annotate(Sum("count")))
    return chart([counts.get(first + timedelta(days=day), 0) for day in range(DAYS)])


def chart(counts: list[int]) -> PullChart:
    highest = max(counts) or 1
    step = WIDTH / (len(counts) - 1)
    # One unit of room above and below, so that the line's own width isn't cut.
    ys = [HEIGHT - 1 - (HEIGHT - 2) * count / highest for count in counts]
    points = " ".join(f"{day * step:.1f},{y:.1f}" for day, y in enumerate(ys))
    return PullChart(sum(counts), points)
