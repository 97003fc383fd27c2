"""The lists of the registry's API, from our rows: tags/list, _catalog, referrers.

Distribution 2.8 answers them unsorted and whole, and knows no referrers. Tokens, challenges and
errors are like the registry's own, so that clients need not know who answers.

Source: OCI Distribution Specification 1.1, "Listing Tags", "Listing Referrers"; Distribution
2.8.2, registry/handlers/{catalog,tags}.go, registry/auth/token/accesscontroller.go.
"""

import re
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import (
    Case,
    F,
    Func,
    IntegerField,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Collate, Concat
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from repositories import pending_writes, refusals
from repositories.access import visible_repositories
from repositories.images import OCI_INDEX
from repositories.models import Manifest, Repository
from repositories.names import split_path, without_library
from repositories.registry_tokens import BadRegistryToken, principal_of, verify

# Without "n", and at most: a client that ignores Link should still see all of most lists.
MAX_PAGE = 10_000
MAX_REFERRERS = 1000
CATALOG_SCOPE = "registry:catalog:*"
# Sorted as bytes, whatever the database's own language is.
BYTE_ORDER = "C"

_ANY_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Fa-f0-9]{32,128}")


class _Refused(Exception):
    """The request ends here, with this answer."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


def error(status: int, code: str, message: str) -> HttpResponse:
    """The registry's form of an error; docker and podman print the message."""
    body = {"errors": [{"code": code, "message": message, "detail": None}]}
    return _answer(JsonResponse(body, status=status))


def challenge(scope: str, problem: str = "", text: str = "authentication required") -> HttpResponse:
    """401, and where to get a token for ``scope``. ``problem`` as in RFC 6750, section 3.1."""
    response = error(401, "UNAUTHORIZED", text)
    value = (
        f'Bearer realm="{settings.SITE_URL}/token",service="{settings.SITE_HOST}",scope="{scope}"'
    )
    response["WWW-Authenticate"] = value + (f',error="{problem}"' if problem else "")
    return response


def bearer_token(request: HttpRequest) -> str:
    """The token that the client shows; empty if it shows none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def grants(claims: dict[str, Any], kind: str, name: str) -> set[str]:
    """The actions that a token's claims hold for a name: several entries add up."""
    return {
        action
        for entry in claims.get("access") or []
        if entry.get("type") == kind and entry.get("name") == name
        for action in entry.get("actions") or []
    }


@csrf_exempt
def tags_list(request: HttpRequest, path: str) -> HttpResponse:
    try:
        path = _checked_path(request, path)
        size = _page_size(request)
    except _Refused as refused:
        return refused.response
    pending_writes.look_up_path(path)
    repository = Repository.objects.at(path).first()
    if repository is None or repository.pushed_at is None:
        return _unknown(path)
    tags = repository.tags.annotate(key=Collate("name", BYTE_ORDER))
    return _page(request, tags, size, {"name": path}, "tags")


@csrf_exempt
def catalog(request: HttpRequest) -> HttpResponse:
    """What the one behind the token may pull."""
    try:
        _check_method(request)
        token = _token_for(request, "registry", "catalog", "*", CATALOG_SCOPE)
        size = _page_size(request)
    except _Refused as refused:
        return refused.response
    try:
        principal = principal_of(token)
    except BadRegistryToken:
        return challenge(CATALOG_SCOPE, "invalid_token")
    path = Case(
        When(namespace=None, then=F("name")),
        default=Concat("namespace__name", Value("/"), "name"),
        output_field=TextField(),
    )
    repositories = visible_repositories(principal).with_images()
    return _page(
        request, repositories.annotate(key=Collate(path, BYTE_ORDER)), size, {}, "repositories"
    )


@csrf_exempt
def referrers(request: HttpRequest, path: str, digest: str) -> HttpResponse:
    """The manifests that are about another one: signatures, attestations and the like."""
    try:
        path = _checked_path(request, path)
    except _Refused as refused:
        return refused.response
    if not _ANY_DIGEST.fullmatch(digest):
        return error(400, "DIGEST_INVALID", f"{digest[:140]} is not a digest")
    found = Manifest.objects.filter(
        repository__in=Repository.objects.at(path), subject_digest=digest, missing_since=None
    )
    artifact_type = request.GET.get("artifactType", "").replace("\0", "")
    if artifact_type:
        found = found.filter(artifact_type=artifact_type)
    size = Func("content", function="octet_length", output_field=IntegerField())
    manifests = found.annotate(size=size).order_by("first_seen_at", "pk")
    fields = ["media_type", "digest", "size", "artifact_type", "annotations"]
    keys = ["mediaType", "digest", "size", "artifactType", "annotations"]
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            dict(zip(keys, values, strict=True))
            for values in manifests.values_list(*fields)[:MAX_REFERRERS]
        ],
    }
    response = _answer(JsonResponse(body, content_type=OCI_INDEX))
    if artifact_type:
        response["OCI-Filters-Applied"] = "artifactType"
    return response


def _checked_path(request: HttpRequest, path: str) -> str:
    """The repository that a request is about, if its token may pull there."""
    _check_method(request)
    path = without_library(path)
    if split_path(path) is None:
        problem = refusals.bad_name("this can't be a repository of this index")
        raise _Refused(error(400, "NAME_INVALID", str(problem)))
    # A repository that the client may not see gets the same challenge as one that isn't there.
    _token_for(request, "repository", path, "pull", f"repository:{path}:pull")
    return path


def _check_method(request: HttpRequest) -> None:
    if request.method not in {"GET", "HEAD"}:
        raise _Refused(error(405, "UNSUPPORTED", "this address can only be read"))


def _token_for(request: HttpRequest, kind: str, name: str, action: str, scope: str) -> str:
    """The token of the request, if it is good for ``action``; else _Refused with a challenge."""
    token = bearer_token(request)
    if not token:
        raise _Refused(challenge(scope))
    try:
        claims = verify(token)
    except BadRegistryToken:
        raise _Refused(challenge(scope, "invalid_token")) from None
    if not grants(claims, kind, name) & {action, "*"}:
        # podman and skopeo print it when a second token is too small as well.
        text = str(refusals.not_found(name, claims["sub"]))
        raise _Refused(challenge(scope, "insufficient_scope", text))
    return token


def _page_size(request: HttpRequest) -> int:
    number = request.GET.get("n", "")
    if not number:
        return MAX_PAGE
    if not number.isascii() or not number.isdecimal():
        raise _Refused(error(400, "PAGINATION_NUMBER_INVALID", "n is a number of entries"))
    return min(int(number[:9]), MAX_PAGE)


def _page(
    request: HttpRequest, rows: QuerySet[Any], size: int, body: dict[str, Any], name: str
) -> HttpResponse:
    """One page of the rows' ``key``, after ``last``, and a link to the next one if there is one."""
    last = request.GET.get("last", "").replace("\0", "")
    keys = list(rows.filter(key__gt=last).order_by("key").values_list("key", flat=True)[: size + 1])
    response = _answer(JsonResponse({**body, name: keys[:size]}))
    if size and len(keys) > size:
        query = urlencode({"last": keys[size - 1], "n": size})
        response["Link"] = f'<{request.path}?{query}>; rel="next"'
    return response


def _unknown(path: str) -> HttpResponse:
    return error(404, "NAME_UNKNOWN", f"repository {path} has no image yet")


def _answer(response: HttpResponse) -> HttpResponse:
    response["Docker-Distribution-API-Version"] = "registry/2.0"
    return response
