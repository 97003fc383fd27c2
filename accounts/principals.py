"""Who is asking: one value made from whatever a request shows, for ``access_to()``."""

from dataclasses import dataclass
from typing import Self

from django.http import HttpRequest

from accounts.models import AccessToken, User


@dataclass(frozen=True)
class Principal:
    """Somebody who asks, and the credential that he asks with.

    ``scope`` is what that credential allows at most; None is everything the user may (a
    session or a password). Nobody has neither user nor token.
    """

    user: User | None = None
    scope: AccessToken.Scope | None = None
    access_token_id: int | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        """The principal behind a page or an API request; nobody if nobody is signed in.

        The API's authentication leaves its access token in ``request.auth``.
        """
        user = request.user
        if not isinstance(user, User) or not user.is_active:
            return cls()
        token = getattr(request, "auth", None)
        if isinstance(token, AccessToken):
            return cls.of_token(user, token)
        return cls(user)

    @classmethod
    def of_token(cls, user: User, token: AccessToken) -> Self:
        return cls(user, AccessToken.Scope(token.scope), token.pk)

    @property
    def username(self) -> str:
        """The user's name; empty for nobody."""
        return self.user.username if self.user else ""

    @property
    def is_staff(self) -> bool:
        """Staff in person: a token of theirs carries no office."""
        return self.user is not None and self.user.is_staff and self.scope is None


NOBODY = Principal()
