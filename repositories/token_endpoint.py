"""``GET`` and ``POST /token``: what clients ask before they may talk to the registry.

Hot: each pull and push passes here. No session; see credentials.py for what a secret costs.
Asking for more than one has is no error: the token says what one may, and the registry
refuses the rest. Texts are printed by docker and others, so they are plain English.

Source: distribution/distribution, docs/content/spec/auth/{token,oauth,scope}.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.csrf import csrf_exempt

from accounts import access_tokens, audit, credentials
from accounts.credentials import BadCredentials
from accounts.limits import TooManyAttempts
from accounts.models import AccessToken
from accounts.principals import NOBODY, Principal
from repositories import registry_tokens
from repositories.access import Action, access_to
from repositories.names import without_library
from repositories.pending_writes import look_up_first_push

METHODS = ["GET", "HEAD", "POST", "OPTIONS"]
# A client asks for one repository, and for one more where it mounts a layer from another.
# Each costs a query.
MAX_REPOSITORIES = 20
MAX_SCOPE_LENGTH = 4096  # characters of all scopes; the longest path has 200
MAX_CLIENT_ID_LENGTH = 60

# What clients can ask for; "admin" is for pages and the API.
REGISTRY_ACTIONS = (Action.PULL, Action.PUSH, Action.DELETE)
CATALOG = {"type": "registry", "name": "catalog", "actions": ["*"]}


class BadRequest(Exception):
    """The request can't be understood; the message says why. ``error`` is OAuth's word for it."""

    def __init__(self, message: str, error: str = "invalid_request") -> None:
        self.error = error
        super().__init__(message)


@dataclass
class Asked:
    """What a client wants a token for: actions by path, and perhaps the catalogue."""

    actions: dict[str, set[str]] = field(default_factory=dict)
    catalog: bool = False


@csrf_exempt  # whoever asks shows a name and a secret each time: there is no cookie to abuse
def token(request: HttpRequest) -> HttpResponse:
    if request.method not in METHODS or request.method == "OPTIONS":
        status = 204 if request.method == "OPTIONS" else 405
        return HttpResponse(status=status, headers={"Allow": ", ".join(METHODS)})
    try:
        if request.method == "POST":
            return _answer_post(request)
        return _answer_get(request)
    except BadCredentials as error:
        # Docker shows the text of a 401 alone; podman hides that of a 403.
        headers = {"WWW-Authenticate": f'Basic realm="{settings.SITE_HOST}"'}
        return _refusal(401, "UNAUTHORIZED", str(error), "invalid_grant", headers)
    except TooManyAttempts as error:
        headers = {"Retry-After": str(error.retry_after_seconds)}
        return _refusal(429, "TOOMANYREQUESTS", str(error), "invalid_grant", headers)
    except BadRequest as error:
        return _refusal(400, "UNSUPPORTED", str(error), error.error)


def _answer_get(request: HttpRequest) -> HttpResponse:
    _check_service(request.GET.get("service"))
    asked = parse_scopes(request.GET.getlist("scope"))
    principal = NOBODY
    refresh_token = None
    username, secret = credentials.from_basic(request.headers.get("Authorization", ""))
    if username or secret:  # clients of v1 send an empty pair for nobody
        principal = credentials.authenticate(username, secret, **credentials.origin(request))
        if request.GET.get("offline_token") == "true":
            refresh_token = _device_token(request, principal, secret, request.GET)
    return _granted(principal, asked, refresh_token)


def _answer_post(request: HttpRequest) -> HttpResponse:
    form = _form_of(request)
    _check_service(form.get("service"))
    asked = parse_scopes(form.getlist("scope"))
    refresh_token = None
    match form.get("grant_type"):
        case "password":
            username, secret = form.get("username", ""), form.get("password", "")
            principal = credentials.authenticate(username, secret, **credentials.origin(request))
            if form.get("access_type") == "offline":
                refresh_token = _device_token(request, principal, secret, form)
        case "refresh_token":
            secret = form.get("refresh_token", "")
            device = credentials.authenticate_token(secret, **credentials.origin(request))
            principal = Principal.of_token(device.user, device)
            refresh_token = secret
        case _:
            raise BadRequest(
                "grant_type must be password or refresh_token", "unsupported_grant_type"
            )
    return _granted(principal, asked, refresh_token)


def parse_scopes(values: Iterable[str]) -> Asked:
    """What ``scope`` parameters ask for, several in one or one in each. Pure.

    What is malformed or unknown asks for nothing. Raises BadRequest if it is too much.
    """
    scopes = " ".join(values)
    if len(scopes) > MAX_SCOPE_LENGTH:
        raise BadRequest(f"scope is too long: at most {MAX_SCOPE_LENGTH} characters")
    asked = Asked()
    for scope in scopes.split():
        # A name may hold a colon: a host with a port.
        kind, _colon, rest = scope.partition(":")
        name, _colon, actions = rest.rpartition(":")
        kind = kind.partition("(")[0]  # "repository(plugin)"
        if kind == "repository":
            asked.actions.setdefault(_path(name), set()).update(actions.split(","))
        elif kind == "registry" and name == "catalog":
            asked.catalog |= "*" in actions.split(",")
    if len(asked.actions) > MAX_REPOSITORIES:
        raise BadRequest(f"scope names too many repositories: at most {MAX_REPOSITORIES}")
    return asked


def _path(name: str) -> str:
    """The front door takes ``library/`` off in front of a single name, and so do we."""
    short = without_library(name)
    return name if "/" in short else short


def _grants(principal: Principal, asked: Asked) -> list[registry_tokens.Grant]:
    """What ``principal`` may do of what is asked."""
    grants: list[registry_tokens.Grant] = []
    for path, wanted in asked.actions.items():
        if "push" in wanted:
            wanted = wanted | {"pull"}  # the registry takes a push from who may do both
        held = access_to(principal, path).actions
        if not held and look_up_first_push(path):
            held = access_to(principal, path).actions
        actions = [
            action.value
            for action in REGISTRY_ACTIONS
            if action in held and (action in wanted or "*" in wanted)
        ]
        if actions:
            grants.append({"type": "repository", "name": path, "actions": actions})
    if asked.catalog:
        grants.append(CATALOG)  # the list itself holds what its reader may pull
    return grants


def _granted(principal: Principal, asked: Asked, refresh_token: str | None) -> HttpResponse:
    grants = _grants(principal, asked)
    token, issued_at, expires_in = registry_tokens.sign(principal, grants)
    answer = {
        # Some clients read the one, some the other.
        "token": token,
        "access_token": token,
        "expires_in": expires_in,
        # With a zone: Go refuses the whole answer otherwise.
        "issued_at": issued_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "scope": " ".join(
            f"{grant['type']}:{grant['name']}:{','.join(grant['actions'])}" for grant in grants
        ),
    }
    if refresh_token is not None:
        answer["refresh_token"] = refresh_token
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


def _device_token(
    request: HttpRequest, principal: Principal, secret: str, parameters: QueryDict
) -> str | None:
    """What docker login keeps instead of the secret; it ends when the secret ends."""
    if principal.user is None:
        return None
    if secret.startswith(access_tokens.DEVICE_PREFIX):
        return secret
    parent = None
    if principal.access_token_id is not None:
        parent = AccessToken.objects.get(pk=principal.access_token_id)
    client_id = parameters.get("client_id", "")[:MAX_CLIENT_ID_LENGTH]
    name = device_name(audit.client_of(request), client_id)
    return access_tokens.create_for_device(principal.user, name, parent=parent, request=request)


def device_name(user_agent: str, client_id: str) -> str:
    """What people read in the list of their tokens: ``docker 20.10.24``. Pure."""
    product = user_agent.split(" ")[0].replace("/", " ").split("+")[0]
    name = product or client_id or "unknown client"
    return "".join(letter for letter in name if letter.isprintable())


def _form_of(request: HttpRequest) -> QueryDict:
    try:
        return request.POST
    except (SuspiciousOperation, MultiPartParserError) as error:  # too large, or broken
        raise BadRequest("the form can't be read, or is too large") from error


def _check_service(service: str | None) -> None:
    """A token for another service would be refused by that one; say so early."""
    if service and service != settings.SITE_HOST:
        raise BadRequest(f"this index issues tokens for the service {settings.SITE_HOST} only")


def _refusal(
    status: int, code: str, text: str, error: str, headers: dict[str, str] | None = None
) -> HttpResponse:
    """An error in all forms that clients read: the registry's two, and OAuth's."""
    body = {
        "errors": [{"code": code, "message": text, "detail": None}],
        "details": text,
        "error": error,
        "error_description": text,
    }
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return JsonResponse(body, status=status, headers=headers)
