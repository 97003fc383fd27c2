"""Guessing is slowed, and nobody is locked out.

Only failures count, one for each distinct wrong secret: clients repeat what was refused
(containerd tries each password twice), and a robot with an old password repeats it all day.
They are rows in PostgreSQL, so that all portal processes count together. Who shows a valid
access token, a remembered password or a session is never asked here.
"""

import ipaddress
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from accounts import names
from accounts.digests import keyed_digest
from accounts.models import AuditEvent, KnownAddress, LoginFailure, User

# Somebody who has forgotten which of his passwords it was tries fewer than this in a row.
PER_NAME_AND_ADDRESS = (10, timedelta(minutes=10))
# One password tried on many names. Larger, since a whole campus may share an address.
PER_ADDRESS = (60, timedelta(minutes=10))
# Many machines that guess one name: 1,200 a day at most, too few for any decent password.
PER_NAME = (50, timedelta(hours=1))
# How long an address from which somebody signed in is told apart from a guesser's.
KNOWN_FOR = timedelta(days=90)
# A row is written again only after this: signing in often costs no more writes.
KNOWN_RESOLUTION = timedelta(days=1)

# Where a request comes from that says no address (a Unix socket without the front door).
NOWHERE = "::"
# A home or an office has a whole network of IPv6 addresses, and may guess from each.
IPV6_PREFIX = 64

Limit = tuple[int, timedelta]


class TooManyAttempts(Exception):
    """Too many wrong secrets for this name, or from this address; it says when to come back."""

    def __init__(self, retry_after_seconds: int) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(
            f"too many failed attempts: wait {retry_after_seconds} seconds and try again, "
            f"or use an access token from {settings.SITE_URL}/account/tokens"
        )


def check(username: str, address: str | None) -> None:
    """Raise TooManyAttempts if a secret for ``username`` may not be tried from ``address`` now.

    ``username`` is what was typed, a user name or an e-mail address. Ask before hashing: that
    is what a flood would cost.
    """
    name, place = _subject(username), place_of(address)
    failures = LoginFailure.objects.all()
    limits = [(failures.filter(username=name, address=place), PER_NAME_AND_ADDRESS)]
    # Those who have signed in from here pay for their own mistakes alone, not for a neighbour's
    # and not for those of somebody who guesses their password elsewhere.
    since = timezone.now() - KNOWN_FOR
    known = KnownAddress.objects.filter(user__username=name, address=place, seen_at__gt=since)
    if not known.exists():
        limits += [
            (failures.filter(address=place), PER_ADDRESS),
            (failures.filter(username=name), PER_NAME),
        ]
    wait = max(_seconds_to_wait(counted, limit) for counted, limit in limits)
    if wait:
        raise TooManyAttempts(wait)


def record_failure(username: str, address: str | None, secret: str, *, client: str = "") -> None:
    """Count a wrong secret, unless the same one was wrong before; tell its owner, if it has one."""
    name = _subject(username)
    _failure, is_new = LoginFailure.objects.get_or_create(
        username=name,
        address=place_of(address),
        secret_digest=keyed_digest("failure", name, secret),
    )
    if is_new and User.objects.filter(username=name).exists():
        # Nobody's deed: who it was isn't known.
        AuditEvent.objects.create(
            action="user.sign_in_failed", target=name, address=address, client=client
        )


def record_success(user: User, address: str | None) -> None:
    """Remember ``address`` as one of ``user``'s, and forgive what he mistyped there."""
    place, now = place_of(address), timezone.now()
    LoginFailure.objects.filter(username=user.username, address=place).delete()
    if place == NOWHERE:
        return
    fresh = KnownAddress.objects.filter(
        user=user, address=place, seen_at__gt=now - KNOWN_RESOLUTION
    )
    if not fresh.exists():
        KnownAddress.objects.bulk_create(
            [KnownAddress(user=user, address=place, seen_at=now)],
            update_conflicts=True,
            unique_fields=["user", "address"],
            update_fields=["seen_at"],
        )


def purge() -> None:
    """Delete what no limit counts any more."""
    now = timezone.now()
    longest = max(window for _count, window in [PER_NAME_AND_ADDRESS, PER_ADDRESS, PER_NAME])
    LoginFailure.objects.filter(failed_at__lt=now - longest).delete()
    KnownAddress.objects.filter(seen_at__lt=now - KNOWN_FOR).delete()


def place_of(address: str | None) -> str:
    """What counts as one address: an IPv4 address, or an IPv6 network."""
    if not address:
        return NOWHERE
    ip = ipaddress.ip_address(address)
    if ip.version == 6:
        network = ipaddress.IPv6Network((ip, IPV6_PREFIX), strict=False)
        return str(network.network_address)
    return str(ip)


def _seconds_to_wait(failures: QuerySet[LoginFailure], limit: Limit) -> int:
    """Until fewer than the limit's count lie in its window; 0 if that is so now."""
    count, window = limit
    now = timezone.now()
    recent = failures.filter(failed_at__gt=now - window).order_by("-failed_at")
    moments = recent.values_list("failed_at", flat=True)[count - 1 : count]
    return max((int((at + window - now).total_seconds()) + 1 for at in moments), default=0)


def _subject(username: str) -> str:
    """The name that failures are counted for: an e-mail address counts as its owner's name."""
    # What PostgreSQL takes as text: no NUL, no lone surrogate.
    name = names.fold(username).replace("\0", "").encode(errors="replace").decode()
    if "@" in name:
        user = User.objects.with_email(name)
        name = user.username if user else name
    return name[: names.MAX_LENGTH]
