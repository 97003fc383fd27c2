"""GET /gate: the front door asks before an upload starts, and before a manifest is written.

Only what a five-minute token can't know is decided here; the registry checks the token itself.
204 lets the request through to the registry, anything else is what the client gets. A manifest
that is let through is announced in the same breath (see pending_writes.py), so no push that the
registry accepts can be lost.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from accounts.audit import client_of
from repositories import refusals, write_rules
from repositories.access import Access, Action, access_to
from repositories.models import GarbageCollection, PendingWrite
from repositories.names import is_digest, is_tag, split_path, without_library
from repositories.refusals import Refusal
from repositories.registry_tokens import BadRegistryToken, principal_of, verify
from repositories.v2 import bearer_token, challenge, error, grants

_UPLOAD = re.compile(r"/v2/(?P<path>.+)/blobs/uploads/?")
_MANIFEST = re.compile(r"/v2/(?P<path>.+)/manifests/(?P<reference>[^/]+)")
# What the registry wants to see in the token; it takes no push without pull.
NEEDED = {"PUT": {"pull", "push"}, "DELETE": {"delete"}}
ACTIONS = {"POST": Action.PUSH, "PUT": Action.PUSH, "DELETE": Action.DELETE}


@dataclass(frozen=True)
class Write:
    """What the client wants to do. Without a reference, it is the start of an upload."""

    method: str
    path: str
    reference: str = ""


class NotAWrite(ValueError):
    """The address is not one that the gate is asked for, or not in our grammar."""


@require_GET
def gate(request: HttpRequest) -> HttpResponse:
    try:
        write = parse(
            request.headers.get("X-Forwarded-Method", ""),
            request.headers.get("X-Forwarded-Uri", ""),
        )
    except NotAWrite as problem:
        return error(400, "NAME_INVALID", str(refusals.bad_name(str(problem))))
    token = bearer_token(request)
    try:
        principal = principal_of(token)
    except BadRegistryToken:
        return _answer_to_stranger(write, has_token=bool(token))
    access = access_to(principal, write.path)
    refusal = access.refusal(ACTIONS[write.method])
    if refusal is None:
        refusal = _announce(request, access, write, token)
    if refusal is not None:
        return error(403, "DENIED", str(refusal))
    return HttpResponse(status=204)


def parse(method: str, address: str) -> Write:
    """What a raw address means, as the registry will read it. Raises NotAWrite.

    It is decoded once, as the registry does: ``alice%2Fapp`` is ``alice/app`` there, too.
    """
    try:
        decoded = unquote(address.partition("?")[0], errors="strict")
    except UnicodeDecodeError as problem:
        raise NotAWrite("the address is not UTF-8") from problem
    if method == "POST":
        match = _UPLOAD.fullmatch(decoded)
    elif method in NEEDED:
        match = _MANIFEST.fullmatch(decoded)
    else:
        match = None
    if match is None:
        raise NotAWrite("this is not the address of an upload or a manifest")
    parts = match.groupdict(default="")
    path, reference = without_library(parts["path"]), parts.get("reference", "")
    if split_path(path) is None:
        raise NotAWrite(
            "a repository is called NAME or NAMESPACE/NAME, in lower case: "
            f"{settings.SITE_HOST}/alice/app"
        )
    if method != "POST" and not (is_tag(reference) or is_digest(reference)):
        raise NotAWrite("a manifest is written by its tag or by its sha256 digest")
    return Write(method, path, reference)


def _answer_to_stranger(write: Write, *, has_token: bool) -> HttpResponse:
    """To who shows no token, or one that isn't good (any more).

    At an upload, the registry's own challenge tells where to get one. A manifest never passes
    without a name behind it, so the challenge is ours.
    """
    if not write.reference:
        return HttpResponse(status=204)
    actions = "delete" if write.method == "DELETE" else "pull,push"
    problem = "invalid_token" if has_token else ""
    return challenge(f"repository:{write.path}:{actions}", problem)


def _announce(request: HttpRequest, access: Access, write: Write, token: str) -> Refusal | None:
    """Announce a write to a manifest, unless something forbids it at this moment."""
    if not write.reference:
        return refusals.read_only() if GarbageCollection.objects.running().exists() else None
    if not NEEDED[write.method] <= grants(verify(token), "repository", write.path):
        return None  # the registry will refuse it
    return write_rules.announce(
        access,
        PendingWrite.Method(write.method),
        write.reference,
        address=request.client_address,  # type: ignore[attr-defined]
        client=client_of(request),
    )
