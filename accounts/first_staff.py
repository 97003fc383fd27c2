"""The first staff account of an empty index: made in the browser, by who can read VAR_DIR.

``make up`` prints the link. It works until a staff account exists, and then never again.
"""

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from accounts import audit
from accounts.models import User
from portal import env

SECRET_NAME = "first_staff_link"  # noqa: S105 (the name of the file, not the secret)
# Any number that nobody else locks: pg_advisory_xact_lock(bigint).
LOCK = 7_165_001


class LinkIsOver(Exception):
    """A staff account exists already, or the link isn't the one that was printed."""


def link() -> str | None:
    """The address where the first staff account is made; None if there is one already."""
    if _staff_exists():
        return None
    secret = env.generated_secret(settings.VAR_DIR, SECRET_NAME)
    return settings.SITE_URL + reverse("accounts:first_staff", args=[secret])


def is_open(secret: str) -> bool:
    if _staff_exists():
        return False
    return constant_time_compare(secret, env.generated_secret(settings.VAR_DIR, SECRET_NAME))


@transaction.atomic
def make_account(
    secret: str, request: HttpRequest, *, username: str, email: str, password: str
) -> User:
    """Raises LinkIsOver for all but the first, also when two come at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    if not is_open(secret):
        raise LinkIsOver
    user = User.objects.create_superuser(username=username, email=email, password=password)
    audit.record(request, "staff.first_account", user.username, user=user)
    # Should all staff be gone one day, the next link is another one.
    file = settings.VAR_DIR / "secrets" / SECRET_NAME
    transaction.on_commit(lambda: file.unlink(missing_ok=True))
    return user


def _staff_exists() -> bool:
    return User.objects.filter(is_staff=True, is_active=True).exists()
