from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    """What every page may need to say: how this index is called on a command line."""
    return {
        "site_host": settings.SITE_HOST,
        "site_url": settings.SITE_URL,
        "registration_is_open": settings.REGISTRATION == "open",
        "sends_mail": settings.SENDS_MAIL,
    }
