"""Pages that delete, and the page from which it is undone for 7 days."""

from copy import copy
from fnmatch import fnmatchcase
from itertools import islice

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import audit
from accounts.principals import Principal
from repositories import deletions
from repositories.access import Action, may_undo, undoable_deletions
from repositories.deletion_forms import DeleteRepositoryForm, TagDeprecationForm
from repositories.deletions import CannotUndo
from repositories.immutable import is_immutable
from repositories.models import (
    UNDO_WITHIN,
    Deletion,
    GarbageCollection,
    ManifestPart,
    Repository,
    Tag,
)
from repositories.names import is_digest, is_tag
from repositories.views import access_of, found_or_404, head_of

MAX_TAGS = 500  # on one page of checkboxes; delete those, and the page shows the next
PAGE_SIZE = 30
TOLD_TAGS = 100  # in the audit log


@login_required
@require_http_methods(["GET", "POST"])
def delete_tags(request: HttpRequest, name: str, namespace: str = "") -> HttpResponse:
    """One tag (``tag``), all of an image (``digest``), or those that fit a pattern (``filter``)."""
    access = access_of(request, namespace, name)
    found = found_or_404(access, Action.DELETE)
    if request.method == "POST":
        return _delete_tags(request, found)
    tag, digest, pattern = (
        request.GET.get(key, "").replace("\0", "")[:128] for key in ["tag", "digest", "filter"]
    )
    tags = _chosen(found, tag, digest, pattern)
    context = {
        **head_of(request, access, found, tab="settings"),
        "tag": tag,
        "digest": digest,
        "filter": pattern,
        "rows": _rows(found, tags[:MAX_TAGS]),
        "is_image": bool(digest) and found.manifests.filter(digest=digest).exists(),
        "listed_by": _listed_by(found, digest) if digest else [],
        "has_more": len(tags) > MAX_TAGS,
        "limit": MAX_TAGS,
        "days": UNDO_WITHIN.days,
    }
    return render(request, "repositories/delete_tags.html", context)


def _chosen(repository: Repository, tag: str, digest: str, pattern: str) -> list[Tag]:
    tags = repository.tags.select_related("manifest").defer("manifest__content", "manifest__config")
    if tag:
        tags = tags.filter(name=tag)
    elif digest:
        tags = tags.filter(manifest__digest=digest)
    elif pattern:
        names = repository.tags.order_by("name").values_list("name", flat=True)
        fitting = (name for name in names.iterator() if fnmatchcase(name, pattern))
        tags = tags.filter(name__in=list(islice(fitting, MAX_TAGS + 1)))
    else:
        return []
    return list(tags.order_by("name")[: MAX_TAGS + 1])


def _listed_by(repository: Repository, digest: str) -> list[str]:
    """The tags of image indexes that need an image, so that it stays."""
    parts = ManifestPart.objects.filter(
        kind=ManifestPart.Kind.CHILD, digest=digest, manifest__repository=repository
    )
    tags = repository.tags.filter(manifest__in=parts.values("manifest"))
    return list(tags.order_by("name").values_list("name", flat=True)[:TOLD_TAGS])


def _rows(repository: Repository, tags: list[Tag]) -> list[dict[str, object]]:
    """Each tag with what becomes of its image."""
    chosen = {tag.pk for tag in tags}
    siblings: dict[int, list[str]] = {}
    others = repository.tags.filter(manifest__in={tag.manifest_id for tag in tags})
    for pk, manifest_id, name in others.order_by("name").values_list("pk", "manifest", "name"):
        if pk not in chosen:
            siblings.setdefault(manifest_id, []).append(name)
    return [
        {
            "tag": tag,
            "is_immutable": is_immutable(repository, tag.name),
            "siblings": siblings.get(tag.manifest_id, []),
        }
        for tag in tags
    ]


def _delete_tags(request: HttpRequest, repository: Repository) -> HttpResponse:
    pairs = [value.rpartition("@") for value in request.POST.getlist("tag")[:MAX_TAGS]]
    wanted = [(name, digest) for name, _at, digest in pairs if is_tag(name) and is_digest(digest)]
    kept = [name for name, _digest in wanted if is_immutable(repository, name)]
    wanted = [(name, digest) for name, digest in wanted if name not in kept]
    image = request.POST.get("image", "")
    is_image = (
        not kept
        and {digest for _name, digest in wanted} <= {image}
        and repository.manifests.filter(digest=image, missing_since=None).exists()
    )
    by = Principal.of(request).username
    with transaction.atomic():
        deletion = deletions.delete_tags(repository, wanted, by, image=image if is_image else "")
        if deletion is not None:
            names = [name for name, _digest in wanted]
            audit.record(
                request,
                "tags.deleted",
                repository.path,
                tags=names[:TOLD_TAGS],
                count=deletion.tag_count,
            )
    if kept:
        words = {"tags": ", ".join(kept[:TOLD_TAGS])}
        messages.warning(request, _("Immutable, so not deleted: %(tags)s.") % words)
    if deletion is None:
        messages.info(request, _("Nothing was deleted: no tag was chosen, or it has moved since."))
        return redirect(f"{repository.get_absolute_url()}/delete-tags?{request.GET.urlencode()}")
    return _deleted(request)


@login_required
@require_http_methods(["GET", "POST"])
def manage_tag(request: HttpRequest, name: str, tag: str, namespace: str = "") -> HttpResponse:
    """Take a tag out of use, or delete it."""
    access = access_of(request, namespace, name)
    repository = found_or_404(access, Action.ADMIN)
    found = get_object_or_404(repository.tags.select_related("manifest"), name=tag)
    form = TagDeprecationForm(request.POST or None, instance=copy(found))
    if form.is_valid():
        with transaction.atomic():
            form.instance.save(update_fields=form.changed_data)
            audit.record(
                request,
                "tag.changed",
                f"{repository.path}:{tag}",
                fields=form.changed_data,
                successor=form.cleaned_data["successor"],
            )
        messages.success(request, _("Saved."))
        return redirect(f"{repository.get_absolute_url()}/tags/{tag}")
    context = {
        **head_of(request, access, repository, tab="tags"),
        "tag": found,
        "form": form,
        "may_delete": access.allows(Action.DELETE),
        "is_immutable": is_immutable(repository, tag),
    }
    return render(request, "repositories/manage_tag.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def delete_repository(request: HttpRequest, name: str, namespace: str = "") -> HttpResponse:
    access = access_of(request, namespace, name)
    found = found_or_404(access, Action.OWN)
    form = DeleteRepositoryForm(found.path, request.POST or None)
    if form.is_valid():
        with transaction.atomic():
            deletions.delete_repository(found, Principal.of(request).username)
            audit.record(request, "repository.deleted", found.path)
        return _deleted(request)
    context = {
        **head_of(request, access, found, tab="settings"),
        "form": form,
        "days": UNDO_WITHIN.days,
    }
    return render(request, "repositories/delete_repository.html", context)


def _deleted(request: HttpRequest) -> HttpResponse:
    messages.success(request, _("Deleted. Pulls end within seconds."))
    return redirect("repositories:deletions")


@login_required
@require_safe
def deletions_page(request: HttpRequest) -> HttpResponse:
    """What the reader may have back, the newest first."""
    found = undoable_deletions(Principal.of(request)).order_by("-asked_at", "-pk")
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "days": UNDO_WITHIN.days,
        "is_at_work": any(deletion.state in Deletion.AT_WORK for deletion in page.object_list),
        "last_freed": GarbageCollection.objects.last_freed(),
    }
    return render(request, "repositories/deletions.html", context)


@login_required
@require_POST
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    every = Deletion.objects.select_related("repository__namespace")
    deletion = get_object_or_404(every, pk=pk)
    principal = Principal.of(request)
    if not undoable_deletions(principal).filter(pk=pk).exists():
        raise Http404
    if not may_undo(principal, deletion):
        raise PermissionDenied
    try:
        with transaction.atomic():
            deletions.undo(deletion, principal.username)
            audit.record(request, "deletion.undone", deletion.path, kind=deletion.kind)
    except CannotUndo as error:
        messages.error(request, _refusal(error.code, deletion.path))
    else:
        messages.success(request, _("It comes back within seconds."))
    return redirect("repositories:deletions")


def _refusal(code: str, path: str) -> str:
    if code == CannotUndo.PATH_IS_TAKEN:
        return (
            _("There is a newer %s. Delete that first: it can be undone, too. Then undo this.")
            % path
        )
    if code == CannotUndo.REPOSITORY_IS_DELETED:
        return _("%s was deleted as a whole since. Undo that first.") % path
    return _("This was undone already, or it is too late.")
