"""/why/<rule>: what a client's refusal means, whose turn it is, and the one action that cures it.

The addresses stand in what clients print (refusals.py). The pages speak of the path in the
address and of the reader's own name, and ask nothing about the repository: they say the same
whether it is there or not.
"""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from accounts.models import AccessToken
from accounts.principals import Principal
from repositories.names import is_tag, split_path
from repositories.refusals import Rule

TITLES: dict[Rule, Promise] = {
    Rule.LOGIN: _("You are not logged in"),
    Rule.NAMESPACE: _("This is somebody else’s namespace"),
    Rule.TOP_LEVEL: _("This is a top-level name"),
    Rule.LEVEL: _("You were let in for less"),
    Rule.SCOPE: _("This access token may not do that"),
    Rule.EMAIL: _("Your e-mail address isn’t confirmed"),
    Rule.SUSPENDED: _("This account is blocked"),
    Rule.NOT_FOUND: _("Not here, or not open to you"),
    Rule.NAME: _("This can’t be the name of an image"),
    Rule.IMMUTABLE: _("This tag is written once"),
    Rule.READ_ONLY: _("The registry takes no pushes right now"),
}


@require_safe
def why_index(request: HttpRequest) -> HttpResponse:
    return render(request, "repositories/why_index.html", {"titles": TITLES.items()})


@require_safe
def why(request: HttpRequest, rule: str) -> HttpResponse:
    try:
        found = Rule(rule)
    except ValueError as error:
        raise Http404 from error
    path, tag = _path(request.GET.get("path", "")), request.GET.get("tag", "")
    namespace, _slash, name = path.rpartition("/")
    wants_delete = request.GET.get("action") == "delete"
    context = {
        "title": TITLES[found],
        "path": path,
        "namespace": namespace,
        "name": name,
        "tag": tag if is_tag(tag) else "",
        "wants_delete": wants_delete,
        "scope": AccessToken.Scope.DELETE if wants_delete else AccessToken.Scope.WRITE,
        "username": Principal.of(request).username,
    }
    return render(request, f"repositories/why/{found.value}.html", context)


def _path(text: str) -> str:
    """A path to speak of: what can't be one is left out, whoever made the address."""
    return text if split_path(text) is not None else ""
