"""When and from where a session was seen last, for the page where one ends sessions."""

from collections.abc import Callable
from datetime import timedelta

from allauth.usersessions.models import UserSession
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts import audit, limits

Respond = Callable[[HttpRequest], HttpResponse]

# allauth's own middleware writes on each request; nobody needs to know it more exactly.
RESOLUTION = timedelta(minutes=1)


class SessionActivityMiddleware:
    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        key = request.session.session_key
        if key and request.session.accessed:
            _note_activity(key, request)
        return response


def _note_activity(session_key: str, request: HttpRequest) -> None:
    """One query, which finds a row once a minute. Only people who signed in have a row."""
    now = timezone.now()
    UserSession.objects.filter(session_key=session_key, last_seen_at__lt=now - RESOLUTION).update(
        last_seen_at=now,
        ip=getattr(request, "client_address", None) or limits.NOWHERE,
        user_agent=audit.client_of(request),
    )
