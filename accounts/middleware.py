"""From where a request comes, and what is told to who tried too often."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

Respond = Callable[[HttpRequest], HttpResponse]


class ClientAddressMiddleware:
    """Sets ``request.client_address``: the client's IP address as text, or None.

    The portal is reached through the front door alone, which sets X-Real-IP itself; what a
    client sends under that name never arrives.
    """

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.client_address = (  # type: ignore[attr-defined]
            request.headers.get("X-Real-IP") or request.META.get("REMOTE_ADDR") or None
        )
        return self.get_response(request)


class TooManyAttemptsMiddleware:
    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)
