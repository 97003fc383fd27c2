"""The audit log: one row for each write that matters. Pulls are counted elsewhere, not here."""

from django.http import HttpRequest

from accounts.models import AccessToken, AuditEvent, User


def client_of(request: HttpRequest | None) -> str:
    """The client's own name for itself, cut to what a row takes."""
    return request.headers.get("User-Agent", "")[:200].replace("\0", "") if request else ""


def record(
    request: HttpRequest | None,
    action: str,
    target: object = "",
    *,
    user: User | None = None,
    access_token_id: int | None = None,
    **details: object,
) -> None:
    """Write down that ``action`` was done to ``target``, in the caller's transaction.

    ``request`` says from where and, unless ``user`` is given, by whom; it is None on the
    command line and in tasks. ``details`` are JSON values, and never hold a secret.
    """
    if user is None and request is not None and isinstance(request.user, User):
        user = request.user
    token = getattr(request, "auth", None)
    if access_token_id is None and isinstance(token, AccessToken):
        access_token_id = token.pk
    AuditEvent.objects.create(
        action=action,
        target=str(target)[:300],
        actor_id=user.pk if user else None,
        actor_name=user.username if user else "",
        access_token_id=access_token_id,
        address=getattr(request, "client_address", None),
        client=client_of(request),
        details=details,
    )
