"""What becomes of somebody's repositories when his account is deleted.

The person and the week for undo are in accounts/deletion.py; this knows repositories, too.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts import deletion
from accounts.models import AccountDeletion, User
from repositories import deletions
from repositories.models import Repository, RepositoryQuerySet

PULLS_OF = timedelta(days=90)


def with_recent_pulls(user: User) -> RepositoryQuerySet:
    """The repositories of ``user``, with ``recent_pulls``: how many would miss them."""
    first_day = timezone.now().date() - PULLS_OF
    recent = Sum("daily_pulls__count", filter=Q(daily_pulls__day__gt=first_day))
    found: RepositoryQuerySet = (
        Repository.objects.filter(namespace__user=user)
        .select_related("namespace")
        .annotate(recent_pulls=Coalesce(recent, 0))
        .order_by("-recent_pulls", "name")
    )
    return found


def finish_due() -> int:
    """Delete the accounts whose week is over. How many."""
    due = AccountDeletion.objects.filter(due_at__lte=timezone.now()).order_by("due_at")
    return sum(_finish(pk) for pk in list(due.values_list("pk", flat=True)))


@transaction.atomic
def _finish(pk: int) -> bool:
    """All of one account, or nothing; False if it was undone, or is gone already."""
    waiting = AccountDeletion.objects.select_for_update(of=("self",)).select_related("user")
    found = waiting.filter(pk=pk).first()
    if found is None:
        return False
    for repository in Repository.objects.filter(namespace__user=found.user):
        if repository.is_private or not found.keeps_public_images:
            deletions.delete_repository(repository, found.user.username)
    deletion.finish(found)
    return True
