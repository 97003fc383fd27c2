"""Who asks the API: an access token as Bearer, or by Basic with a user name, or a password.

Session cookies aren't looked at, so no page elsewhere can make a browser act for its user here.
"""

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import access_tokens, credentials
from accounts.models import AccessToken, User


class AccessTokenAuthentication(BaseAuthentication):
    """Leaves the user in ``request.user``, and the access token, if one was shown, in ``.auth``.

    TooManyAttempts passes through to its middleware.
    """

    def authenticate(self, request: Request) -> tuple[User, AccessToken | None] | None:
        try:
            return _authenticate(request)
        except credentials.BadCredentials as error:
            raise AuthenticationFailed(str(error)) from error

    def authenticate_header(self, request: Request) -> str:
        # Not Basic, which is accepted as well: browsers would ask for a password.
        return f'Bearer realm="{settings.SITE_HOST}"'


def _authenticate(request: Request) -> tuple[User, AccessToken | None] | None:
    header = request.headers.get("Authorization", "")
    origin = credentials.origin(request)
    scheme, _space, value = header.partition(" ")
    if scheme.lower() == "bearer":
        token = credentials.authenticate_token(value.strip(), **origin)
        return token.user, token
    username, secret = credentials.from_basic(header)
    if not username and not secret:
        return None
    if access_tokens.looks_like_one(secret):
        token = credentials.authenticate_token(secret, username=username, **origin)
        return token.user, token
    user = credentials.authenticate_password(username, secret, **origin)
    return user, None


class Scheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the API's document describes it."""

    target_class = AccessTokenAuthentication
    name = ["accessToken", "basic"]

    def get_security_definition(self, auto_schema: object) -> list[dict[str, str]]:
        return [
            {"type": "http", "scheme": "bearer", "description": "An access token."},
            {
                "type": "http",
                "scheme": "basic",
                "description": "A user name with an access token or the password.",
            },
        ]
