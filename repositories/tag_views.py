"""Pages of one tag: what it is, what it was, and the button that puts an older image back."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import audit
from accounts.principals import Principal
from repositories import names, write_rules
from repositories.access import Access, Action
from repositories.models import PendingWrite, Repository, TagChange
from repositories.registry import RegistryUnavailable
from repositories.tag_history import CannotComeBack, history_of, put_back, stood_for
from repositories.tag_page import tag_page_of
from repositories.templatetags.figures import short_digest
from repositories.views import access_of, found_or_404, has_nothing_new, head_of, live_of


@require_safe
def tag(request: HttpRequest, name: str, tag: str, namespace: str = "") -> HttpResponse:
    access, found = _repository_of(request, namespace, name, tag)
    live = live_of(access, found)
    if has_nothing_new(request, live):
        return HttpResponse(status=204)
    heavy = ["manifest__content", "manifest__config"]
    shown = found.tags.select_related("manifest").defer(*heavy).filter(name=tag).first()
    if shown is None:
        if _was_there(found, tag):
            return redirect(f"{request.path}/history")
        raise Http404
    context = {
        **head_of(request, access, found, tab="tags"),
        "live": live,
        "page": tag_page_of(shown, request.GET.get("platform", "")),
    }
    return render(request, "repositories/tag.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def tag_history(request: HttpRequest, name: str, tag: str, namespace: str = "") -> HttpResponse:
    access, found = _repository_of(request, namespace, name, tag)
    if request.method == "POST":
        return _put_back(request, access, found, tag)
    if not _was_there(found, tag):
        raise Http404
    context = {
        **head_of(request, access, found, tab="tags"),
        "tag": tag,
        "is_there": found.tags.filter(name=tag).exists(),
        "history": history_of(found, tag, before=request.GET.get("before", "")),
    }
    return render(request, "repositories/tag_history.html", context)


def _repository_of(
    request: HttpRequest, namespace: str, name: str, tag: str
) -> tuple[Access, Repository]:
    if not names.is_tag(tag):
        raise Http404
    access = access_of(request, namespace, name)
    return access, found_or_404(access)


def _was_there(repository: Repository, tag: str) -> bool:
    return TagChange.objects.filter(repository=repository, tag=tag).exists()


def _put_back(
    request: HttpRequest, access: Access, repository: Repository, tag: str
) -> HttpResponse:
    if not access.allows(Action.PUSH):
        raise PermissionDenied
    manifest = stood_for(repository, tag, request.POST.get("digest", ""))
    if manifest is None:
        raise Http404
    principal = Principal.of(request)
    address = request.client_address  # type: ignore[attr-defined]
    client = audit.client_of(request)
    refusal = write_rules.announce(
        access, PendingWrite.Method.PUT, tag, address=address, client=client
    )
    if refusal is not None:
        messages.error(request, _("This tag can't be written now: %s") % refusal.sentence)
        return redirect(request.path)
    try:
        put_back(manifest, tag, by=principal.username, address=address, client=client)
    except CannotComeBack:
        messages.error(request, _("The registry has lost a part of this image."))
    except RegistryUnavailable:
        messages.error(request, _("The registry does not answer. The tag is as it was."))
    else:
        audit.record(request, "tag.put_back", f"{repository.path}:{tag}", digest=manifest.digest)
        words = {"tag": tag, "digest": short_digest(manifest.digest)}
        messages.success(request, _("%(tag)s is %(digest)s again.") % words)
    return redirect(request.path)
