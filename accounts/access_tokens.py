"""Access tokens: how they look, how they are made, found and revoked.

``gtp_`` + 36 random base62 characters + 6 characters of CRC-32, as GitHub's: secret scanners
find them by the prefix and tell a real one from a lookalike by the checksum, offline.
"""

import hashlib
import secrets
import string
import zlib
from datetime import datetime, timedelta

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit, limits, mails
from accounts.compiled_queries import CompiledQuery
from accounts.models import AccessToken, AuditEvent, User

PREFIX = "gtp_"
DEVICE_PREFIX = "gtd_"  # what docker login keeps on a device: an OAuth2 refresh token
RANDOM_LENGTH = 36  # log2(62^36) = 214 bits
CHECKSUM_LENGTH = 6  # 62^6 > 2^32
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase

LAST_USE_RESOLUTION = timedelta(minutes=1)
DEVICE_LIFETIME = timedelta(days=365)
# CI logs in anew in each run: the devices used longest ago make room.
MAX_DEVICES = 50

USED_FROM_NEW_ADDRESS = "access_token.used_from_new_address"
# CI comes from anywhere: nobody reads more lines, and each is a write.
MAX_ADDRESSES_A_DAY = 20

_USABLE_BY_DIGEST = CompiledQuery(
    lambda digest: AccessToken.objects.usable().select_related("user").filter(digest=digest)
)


def generate(prefix: str = PREFIX) -> str:
    part = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return prefix + part + _checksum(part)


def is_well_formed(secret: str) -> bool:
    """Whether ``secret`` can be a token of ours: no need to ask the database otherwise."""
    prefix, part, checksum = secret[:4], secret[4:-CHECKSUM_LENGTH], secret[-CHECKSUM_LENGTH:]
    return (
        prefix in {PREFIX, DEVICE_PREFIX}
        and len(part) == RANDOM_LENGTH
        and part.isascii()
        and secrets.compare_digest(checksum.encode(), _checksum(part).encode())
    )


def looks_like_one(secret: str) -> bool:
    """Whether somebody meant this as an access token, perhaps a wrong one: not as a password."""
    return secret.startswith((PREFIX, DEVICE_PREFIX))


def digest_of(secret: str) -> str:
    """SHA-256: enough for 214 random bits, which nobody can guess from it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create(
    user: User,
    name: str,
    scope: AccessToken.Scope | str,
    *,
    expires_at: datetime | None = None,
    parent: AccessToken | None = None,
    request: HttpRequest | None = None,
) -> tuple[AccessToken, str]:
    """Make an access token; the row, and the secret that is never seen again.

    ``parent`` is the access token that asks for it, if one does: revoked with that.
    """
    secret = generate()
    token = AccessToken.objects.create(
        user=user,
        name=name,
        scope=scope,
        digest=digest_of(secret),
        expires_at=expires_at,
        parent=parent,
    )
    audit.record(request, "access_token.created", name, user=user, scope=str(scope), id=token.pk)
    mails.tell_of_access_token(token, request)
    return token, secret


def create_for_device(
    user: User, name: str, *, parent: AccessToken | None = None, request: HttpRequest | None = None
) -> str:
    """The secret of a new device token: as much as what the device logged in with, no more."""
    secret = generate(DEVICE_PREFIX)
    expires_at = timezone.now() + DEVICE_LIFETIME
    if parent is not None and parent.expires_at is not None:
        expires_at = min(expires_at, parent.expires_at)
    token = AccessToken.objects.create(
        user=user,
        kind=AccessToken.Kind.DEVICE,
        name=name[:80],
        scope=parent.scope if parent else AccessToken.Scope.DELETE,
        parent=parent,
        digest=digest_of(secret),
        expires_at=expires_at,
    )
    _forget_old_devices(user, parent)
    audit.record(request, "device_token.created", name, user=user, id=token.pk)
    return secret


def find(secret: str) -> AccessToken | None:
    """The usable token that ``secret`` is, with its user: one query. None if there is none."""
    if not is_well_formed(secret):
        return None
    return _USABLE_BY_DIGEST.first(digest_of(secret))


def former_owner(secret: str) -> User | None:
    """Whose token this is or was, though it is expired or revoked. None for what never was one.

    To be told to whoever shows it: nobody guesses a token.
    """
    if not is_well_formed(secret):
        return None
    token = AccessToken.objects.select_related("user").filter(digest=digest_of(secret)).first()
    return token.user if token else None


def note_use(token: AccessToken, address: str | None, client: str) -> None:
    """Remember when and from where ``token`` was used last, at most once a minute."""
    now = timezone.now()
    if token.last_used_at is not None and now - token.last_used_at < LAST_USE_RESOLUTION:
        return
    # Whoever is first in this minute writes; the others find nothing to update.
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USE_RESOLUTION)
    is_first = AccessToken.objects.filter(stale, pk=token.pk).update(
        last_used_at=now, last_used_from=address, last_used_by=client[:200]
    )
    if is_first and address and address != token.last_used_from:
        _tell_of_new_address(token, address, client[:200])


def revoke(token: AccessToken, request: HttpRequest | None = None) -> bool:
    """Revoke ``token`` and the devices that logged in with it; False if it was already."""
    family = AccessToken.objects.filter(Q(pk=token.pk) | Q(parent=token), revoked_at=None)
    revoked = family.update(revoked_at=timezone.now())
    if revoked:
        action = (
            "device_token.revoked" if token.kind == token.Kind.DEVICE else "access_token.revoked"
        )
        audit.record(request, action, token.name, id=token.pk)
    return bool(revoked)


def _tell_of_new_address(token: AccessToken, address: str, client: str) -> None:
    """A row for the owner's page, if ``token`` wasn't used from there in the last months."""
    now = timezone.now()
    network = limits.place_of(address)
    if token.last_used_at is not None:
        told = AuditEvent.objects.filter(
            actor_id=token.user_id, action=USED_FROM_NEW_ADDRESS, access_token_id=token.pk
        )
        is_known = told.filter(at__gt=now - limits.KNOWN_FOR, details__network=network).exists()
        if is_known or told.filter(at__gt=now - timedelta(days=1)).count() >= MAX_ADDRESSES_A_DAY:
            return
    AuditEvent.objects.create(
        action=USED_FROM_NEW_ADDRESS,
        actor_id=token.user_id,
        actor_name=token.user.username,
        access_token_id=token.pk,
        target=token.name,
        address=address,
        client=client,
        details={"network": network},
    )


def _forget_old_devices(user: User, parent: AccessToken | None) -> None:
    """Of those that logged in with the same: a token that may only read ends no other's device."""
    devices = AccessToken.objects.filter(user=user, kind=AccessToken.Kind.DEVICE, parent=parent)
    kept = devices.order_by("-created_at").values("pk")[:MAX_DEVICES]
    devices.exclude(pk__in=list(kept.values_list("pk", flat=True))).delete()


def _checksum(part: str) -> str:
    number = zlib.crc32(part.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
