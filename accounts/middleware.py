"""From where a request comes, and what is told to who tried too often."""

import ipaddress
import math
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from accounts.limits import TooManyAttempts

Respond = Callable[[HttpRequest], HttpResponse]

# Where programs ask: they get JSON, with the sentence in whichever field they read.
FOR_PROGRAMS = ("/api/", "/v1/", "/v2/", "/token")


class ClientAddressMiddleware:
    """Sets ``request.client_address``: the client's IP address as text, or None.

    The portal is reached through the front door alone, which sets X-Real-IP itself; what a
    client sends under that name never arrives.
    """

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Real-IP") or request.META.get("REMOTE_ADDR")
        request.client_address = parse_address(given or "")  # type: ignore[attr-defined]
        return self.get_response(request)


class TooManyAttemptsMiddleware:
    """Answers 429 wherever limits.py refused to look at a password."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, TooManyAttempts):
            return None
        seconds = exception.retry_after_seconds
        response: HttpResponse
        if request.path.startswith(FOR_PROGRAMS):
            text = str(exception)
            error = {"code": "TOOMANYREQUESTS", "message": text, "detail": None}
            response = JsonResponse({"detail": text, "error": text, "errors": [error]}, status=429)
        else:
            context = {"retry_after_minutes": math.ceil(seconds / 60)}
            response = render(request, "429.html", context, status=429)
        response["Retry-After"] = str(seconds)
        response["Cache-Control"] = "no-store"
        return response


def parse_address(text: str) -> str | None:
    """``text`` as PostgreSQL takes an address; None if it is none (a Unix socket has none)."""
    try:
        # A zone ("%eth0") says which of our own interfaces it was: nothing about the client.
        ip = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    if ip.version == 6 and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return str(ip)
