"""What happened to somebody's account, for his own eyes: who got in, what was changed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import AuditEvent, User

PAGE_SIZE = 50
# As long as an address counts as known. A flood of guesses is a few rows: see limits.py.
FAILURES_SHOWN_FOR = timedelta(days=90)
FAILURES_SHOWN = 20

# "%s" is what it was done to: the name of a token, mostly.
DONE_BY_ONESELF = {
    "user.signed_up": _("Account made"),
    "user.signed_in": _("Signed in"),
    "user.signed_out": _("Signed out"),
    "session.revoked": _("Session ended"),
    "password.changed": _("Password changed"),
    "email.changed": _("E-mail address changed"),
    "email.confirmed": _("E-mail address confirmed"),
    "access_token.created": _("Access token “%s” made"),
    "access_token.used_from_new_address": _("Access token “%s” used from a new address"),
    "access_token.revoked": _("Access token “%s” revoked"),
    "device_token.created": _("Device “%s” logged in"),
    "device_token.revoked": _("Device “%s” logged out"),
    "account.deletion_asked": _("Deletion of the account asked for"),
    "account.deletion_undone": _("Deletion of the account undone"),
    "staff.first_account": _("Account made, the first of the staff"),
}
DONE_BY_STAFF = {
    "staff.account_deactivated": _("Account switched off by the staff"),
    "staff.account_activated": _("Account switched on by the staff"),
    "staff.reset_link_made": _("Link to a new password made by the staff"),
    "staff.office_given": _("Made staff"),
    "staff.office_taken": _("Removed from the staff"),
    "staff.email_confirmed": _("E-mail address confirmed by the staff"),
}


@dataclass(frozen=True)
class SecurityEvent:
    """One row of the page. ``address`` is empty for what staff did: theirs isn't shown."""

    id: int
    at: datetime
    what: str
    address: str
    client: str


@dataclass(frozen=True)
class FailedSignIns:
    """Wrong secrets from one address by one client."""

    address: str | None
    client: str
    count: int
    first_at: datetime
    last_at: datetime


def events_of(user: User, before: int | None = None) -> tuple[list[SecurityEvent], int | None]:
    """The newest events, or those before the event ``before``; and where older ones begin."""
    events = _own(user)
    start = events.filter(pk=before).first() if before is not None else None
    if start is not None:
        events = events.filter(Q(at__lt=start.at) | Q(at=start.at, pk__lt=start.pk))
    rows = list(events.order_by("-at", "-pk")[: PAGE_SIZE + 1])
    shown = rows[:PAGE_SIZE]
    return [_shown(row) for row in shown], shown[-1].pk if len(rows) > PAGE_SIZE else None


def failed_sign_ins_of(user: User) -> list[FailedSignIns]:
    """From where somebody tried wrong passwords lately, the last first."""
    failures = AuditEvent.objects.filter(
        action="user.sign_in_failed",
        target=user.username,
        at__gt=timezone.now() - FAILURES_SHOWN_FOR,
    )
    groups = failures.values("address", "client").annotate(
        count=Count("pk"), first_at=Min("at"), last_at=Max("at")
    )
    return [FailedSignIns(**group) for group in groups.order_by("-last_at")[:FAILURES_SHOWN]]


def _own(user: User) -> QuerySet[AuditEvent]:
    by_oneself = Q(actor_id=user.pk, action__in=DONE_BY_ONESELF)
    by_staff = Q(target=user.username, action__in=DONE_BY_STAFF)
    return AuditEvent.objects.filter(by_oneself | by_staff)


def _shown(row: AuditEvent) -> SecurityEvent:
    what = str(DONE_BY_ONESELF.get(row.action) or DONE_BY_STAFF[row.action])
    if "%s" in what:
        what = what % row.target
    is_own = row.action in DONE_BY_ONESELF
    return SecurityEvent(
        row.pk, row.at, what, (row.address or "") if is_own else "", row.client if is_own else ""
    )
