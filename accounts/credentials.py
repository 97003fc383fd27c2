"""A user name and a secret, as docker login, the API and old clients send them: who is it?

The path is hot: every pull and push passes it. An access token costs one query. A password is
hashed once, then remembered for minutes as a keyed digest, and costs one query, too. No session.
"""

import base64
import re
from datetime import timedelta
from typing import TypedDict

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone

from accounts import access_tokens, audit, limits, names
from accounts.compiled_queries import CompiledQuery
from accounts.digests import keyed_digest
from accounts.models import AccessToken, AccountDeletion, RememberedPassword, User
from accounts.principals import Principal

REMEMBERED_FOR = timedelta(minutes=10)
# Nobody types more; hashing megabytes would be a way to keep a portal busy.
MAX_SECRET_LENGTH = 1000
MAX_NAME_LENGTH = 320  # of an e-mail address, RFC 3696

_REMEMBERED = CompiledQuery(
    lambda digest: RememberedPassword.objects.select_related("user").filter(
        digest=digest, expires_at__gt=Now()
    )
)


class BadCredentials(Exception):
    """Wrong, expired, revoked or blocked; the message says what to do, for clients to print."""


class AccountIsOff(BadCredentials):
    """The secret is right, but staff or its owner have switched the account off."""


class Origin(TypedDict):
    """From where a secret is shown, and by which client."""

    address: str | None
    client: str


def origin(request: HttpRequest) -> Origin:
    return {
        "address": getattr(request, "client_address", None),
        "client": audit.client_of(request),
    }


def from_basic(authorization: str) -> tuple[str, str]:
    """User name and secret of an ``Authorization: Basic`` header; both empty without a header.

    Raises BadCredentials for what is none: who shows something wrong isn't nobody.
    """
    if not authorization:
        return "", ""
    scheme, _space, encoded = authorization.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise BadCredentials("log in with a user name and a password or access token (Basic)")
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
        username, secret = decoded.split(":", 1)
    except ValueError as error:
        raise BadCredentials("the Authorization header isn't well-formed Basic") from error
    return username, secret


def authenticate(username: str, secret: str, *, address: str | None, client: str) -> Principal:
    """Who shows ``username`` with an access token or a password as ``secret``.

    Raises BadCredentials, or limits.TooManyAttempts where passwords were guessed.
    """
    if not _is_possible(username, secret):
        raise BadCredentials(_wrong())
    if access_tokens.looks_like_one(secret):
        token = authenticate_token(secret, username=username, address=address, client=client)
        return Principal.of_token(token.user, token)
    return Principal(authenticate_password(username, secret, address=address, client=client))


def authenticate_token(
    secret: str, *, username: str | None = None, address: str | None, client: str
) -> AccessToken:
    """The access or device token that ``secret`` is, with its user; its use is noted.

    ``username``, where the client sends one, must be its user's. Raises BadCredentials. Wrong
    tokens aren't counted: nobody guesses 214 bits, and robots repeat an expired one for ever.
    """
    token = access_tokens.find(secret)
    if token is None:
        owner = access_tokens.former_owner(secret)
        if owner is not None and not owner.is_active:
            raise AccountIsOff(_why_off(owner))
        raise BadCredentials(
            "this access token is mistyped, expired or revoked: "
            f"make one at {settings.SITE_URL}/account/tokens"
        )
    if username is not None and not _is_of(token, username):
        raise BadCredentials(
            f"this access token is not {username[:39]!r}'s: log in with the name of its owner"
        )
    access_tokens.note_use(token, address, client)
    return token


def authenticate_password(
    username: str, password: str, *, address: str | None, client: str
) -> User:
    """Who has this password. ``username`` may be an e-mail address, too.

    Raises BadCredentials or limits.TooManyAttempts. A password that was right a moment ago is
    neither hashed again nor refused for what others guess.
    """
    if not (username and password and _is_possible(username, password)):
        raise BadCredentials(_wrong())
    # Remembered for where it was checked alone: elsewhere, a guesser who is refused by the limit
    # would learn from the answer which guess was right.
    digest = keyed_digest("password", names.fold(username), password, limits.place_of(address))
    user = _remembered(digest)
    if user is None:
        user = _check_password(username, password, address, client)
        _remember(digest, user)
    return user


def purge() -> None:
    """Delete what is remembered no more."""
    RememberedPassword.objects.filter(expires_at__lt=timezone.now()).delete()


def _check_password(username: str, password: str, address: str | None, client: str) -> User:
    limits.check(username, address)
    user = _find_user(username)
    if user is None:
        make_password(password)  # takes as long as for a user whom there is
    if user is None or not user.check_password(password):
        limits.record_failure(username, address, password, client=client)
        raise BadCredentials(_wrong())
    if not user.is_active:
        raise AccountIsOff(_why_off(user))
    limits.record_success(user, address)
    return user


def _why_off(user: User) -> str:
    deletion = AccountDeletion.objects.filter(user=user).first()
    if deletion is None:
        return (
            "this account is blocked: ask the staff of the index. "
            f"{settings.SITE_URL}/why/suspended"
        )
    return (
        f"this account is to be deleted on {deletion.due_at:%Y-%m-%d}: "
        f"to keep it, sign in at {settings.SITE_URL}/account/login/"
    )


def _find_user(username: str) -> User | None:
    name = names.fold(username)
    if "@" in name:
        return User.objects.with_email(name)
    return User.objects.filter(username=name).first()


def _is_possible(username: str, password: str) -> bool:
    """Whether it is text (PostgreSQL takes no NUL, UTF-8 no lone surrogate), and not too long."""
    return (
        len(username) <= MAX_NAME_LENGTH
        and len(password) <= MAX_SECRET_LENGTH
        and re.search(r"[\0\ud800-\udfff]", username + password) is None
    )


def _is_of(token: AccessToken, username: str) -> bool:
    if token.kind == AccessToken.Kind.DEVICE and username in {"", "<token>"}:
        return True  # BuildKit's daemon, and credential helpers, send an identity token like this
    return names.fold(username) == token.user.username


def _remembered(digest: str) -> User | None:
    row = _REMEMBERED.first(digest)
    if row is None or not row.user.is_active or row.fingerprint != _fingerprint(row.user):
        return None
    return row.user


def _remember(digest: str, user: User) -> None:
    row = RememberedPassword(
        digest=digest,
        fingerprint=_fingerprint(user),
        user=user,
        expires_at=timezone.now() + REMEMBERED_FOR,
    )
    RememberedPassword.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["digest"],
        update_fields=["fingerprint", "user", "expires_at"],
    )


def _fingerprint(user: User) -> str:
    """Changes with the stored hash of the user's password."""
    return keyed_digest("fingerprint", user.password)


def _wrong() -> str:
    return (
        "wrong user name or password (an access token works as password, too: "
        f"{settings.SITE_URL}/account/tokens)"
    )
