"""One-time links to a new password, for where the index sends no mail."""

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse

from accounts.models import User


def reset_link(user: User) -> str:
    """A page where ``user`` gives himself a new password.

    Good once, for three days (PASSWORD_RESET_TIMEOUT): a new password, a new address or the next
    sign-in ends it.
    """
    return reset_url(f"{user_pk_to_url_str(user)}-{default_token_generator.make_token(user)}")


def reset_url(key: str) -> str:
    uid, _dash, token = key.partition("-")
    return settings.SITE_URL + reverse("account_reset_password_from_key", args=[uid, token])
