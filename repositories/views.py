"""Pages that show repositories. Who may see what is said in access.py."""

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from accounts import names as namespaces
from accounts.models import Namespace
from accounts.principals import Principal
from repositories import commands, digests, names
from repositories.access import Access, Action, access_to, visible_repositories
from repositories.markdown import to_html
from repositories.models import Manifest, Repository, Tag
from repositories.pictures import picture_of
from repositories.pull_chart import pull_charts_of
from repositories.search import search
from repositories.tag_list import (
    MAX_COUNTED,
    UNSHOWN,
    Sort,
    Variant,
    count_of,
    page_of_rows,
    platforms_of,
    tags_of,
    variants_of,
)
from repositories.tag_page import choose, facts_of

SELECTABLE_TAGS = 30  # on the repository page; the tags page has them all
NAMESPACE_PAGE_SIZE = 30
MAX_QUERY_LENGTH = 400  # longer than any reference that somebody pastes
# An open page asks whether it has changed. While a first push or the reading of a manifest is
# awaited, what comes is there within about a second; later only those who push wait for news.
AWAITED_POLL_MS, POLL_MS = 700, 4000
PICTURE_SECONDS = 7 * 24 * 3600  # the same name has the same picture


@require_safe
def search_results(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("q", "").replace("\0", "").strip()[:MAX_QUERY_LENGTH]
    if digest := digests.digest_in(text):
        return redirect("repositories:digest", digest)
    results = search(Principal.of(request), text, page=_page_number(request))
    context = {"query": text, "results": results, "platforms": platforms_of(results.items)}
    return render(request, "repositories/search_results.html", context)


@require_safe
def repository(request: HttpRequest, name: str, namespace: str = "") -> HttpResponse:
    access = access_of(request, namespace, name)
    if access.repository is None and access.allows(Action.PUSH):
        return _not_pushed_yet(request, access.path)
    found = found_or_404(access)
    live = live_of(access, found)
    if has_nothing_new(request, live):
        return HttpResponse(status=204)
    tags = list(_with_manifests(found)[:SELECTABLE_TAGS])
    tag = _chosen_tag(found, tags, request.GET.get("tag", ""))
    variants = variants_of([tag.manifest])[tag.manifest_id] if tag else []
    context = {
        **head_of(request, access, found, tab="repository"),
        "live": live,
        "tags": [tag, *tags] if tag and tag not in tags else tags,
        "tag": tag,
        "variants": variants,
        "pull_lines": commands.pull_lines(found.path, tag.name, tag.manifest.digest) if tag else [],
        "run_line": _run_line(found, tag, variants) if tag else None,
        "charts": pull_charts_of(found),
        "readme": to_html(found.readme),
    }
    return render(request, "repositories/repository.html", context)


@require_safe
def tags(request: HttpRequest, name: str, namespace: str = "") -> HttpResponse:
    access = access_of(request, namespace, name)
    found = found_or_404(access)
    live = live_of(access, found)
    if has_nothing_new(request, live):
        return HttpResponse(status=204)
    text = request.GET.get("q", "").replace("\0", "").strip()[:MAX_QUERY_LENGTH]
    page = page_of_rows(
        found,
        text,
        request.GET.get("sort", ""),
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
    )
    context = {
        **head_of(request, access, found, tab="tags"),
        "live": live,
        "query": text,
        "page": page,
        "sorts": list(Sort),
    }
    return render(request, "repositories/tags.html", context)


@require_safe
def namespace(request: HttpRequest, name: str) -> HttpResponse:
    if name != namespaces.fold(name):
        return redirect("repositories:namespace", namespaces.fold(name), permanent=True)
    try:
        namespaces.check(name)
    except namespaces.BadName as error:
        raise Http404 from error
    found = get_object_or_404(Namespace.objects.select_related("user"), name=name)
    principal = Principal.of(request)
    is_own = principal.username == name
    repositories = visible_repositories(principal).filter(namespace=found)
    kept = Repository.objects.none()
    if found.user is not None:
        kept = Repository.objects.filter(maintainers=found.user)
    elif not repositories.with_images().exists():
        raise Http404  # its owner has gone, and nothing of his is left
    if not is_own:
        repositories, kept = repositories.with_images(), kept.with_images()
    order = F("pushed_at").desc(nulls_first=True)  # one's own, new and still empty, comes first
    repositories = repositories.select_related("namespace").order_by(order, "name")
    page = Paginator(repositories, NAMESPACE_PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "namespace": found,
        "is_own": is_own,
        "page": page,
        "platforms": platforms_of(list(page.object_list)),
        "kept": kept.order_by("name"),
    }
    return render(request, "repositories/namespace.html", context)


@require_safe
@cache_control(public=True, max_age=PICTURE_SECONDS)
def picture(request: HttpRequest, name: str) -> HttpResponse:
    """Made from the name alone, so it says nothing about whether anybody has it."""
    return HttpResponse(picture_of(namespaces.fold(name)), content_type="image/svg+xml")


def access_of(request: HttpRequest, namespace: str, name: str) -> Access:
    path = f"{namespace}/{name}" if namespace else name
    return access_to(Principal.of(request), path)


def found_or_404(access: Access, action: Action = Action.PULL) -> Repository:
    """As get_repository_or_404(), for pages that also show what else the reader may do."""
    if access.repository is None or not access.allows(Action.PULL):
        raise Http404
    if not access.allows(action):
        raise PermissionDenied
    return access.repository


def _not_pushed_yet(request: HttpRequest, path: str) -> HttpResponse:
    """What the reader's first push would make: not there, but he is told how to change that."""
    if _is_exchange(request):
        return HttpResponse(status=204)
    steps = commands.push_steps(path, Principal.of(request).username)
    context = {"path": path, "steps": steps, "poll_ms": AWAITED_POLL_MS}
    return render(request, "repositories/not_pushed_yet.html", context, status=404)


def head_of(
    request: HttpRequest, access: Access, repository: Repository, *, tab: str
) -> dict[str, object]:
    """What stands above the tabs of a repository."""
    maintainers = repository.maintainers.order_by("username") if repository.is_top_level else []
    tag_count = count_of(repository)
    return {
        "repository": repository,
        "tab": tab,
        "may_admin": access.allows(Action.ADMIN),
        "may_push": access.allows(Action.PUSH),
        "may_delete": access.allows(Action.DELETE),
        "level": access.level,
        "push_refusal": access.push_refusal,
        "is_exchange": _is_exchange(request),
        "tag_count": tag_count,
        "has_more_tags": tag_count == MAX_COUNTED,
        "maintainers": [user.username for user in maintainers],
        "steps": commands.push_steps(repository.path, Principal.of(request).username),
    }


def _with_manifests(repository: Repository) -> QuerySet[Tag]:
    heavy = [f"manifest__{name}" for name in UNSHOWN]
    return tags_of(repository).select_related("manifest").defer(*heavy)


def _run_line(repository: Repository, tag: Tag, variants: list[Variant]) -> commands.RunLine | None:
    """None for what is no image, or isn't read yet."""
    variant = choose(variants)
    facts = facts_of(tag.manifest, variant) if variant else {}
    return commands.run_line(repository.path, tag.name, facts) if facts else None


def _chosen_tag(repository: Repository, tags: list[Tag], wanted: str) -> Tag | None:
    """The one that was asked for, else what clients take by default, else the newest."""
    for name in [wanted, commands.DEFAULT_TAG]:
        if not names.is_tag(name):
            continue
        tag = next((tag for tag in tags if tag.name == name), None)
        tag = tag or _with_manifests(repository).filter(name=name).first()
        if tag is not None:
            return tag
    return tags[0] if tags else None


def live_of(access: Access, repository: Repository) -> dict[str, object]:
    """What an open page remembers of the repository's state, and how soon it asks again."""
    unread = repository.manifests.filter(kind=Manifest.Kind.UNREAD).count()
    pushed_at = repository.pushed_at.timestamp() if repository.pushed_at else 0
    may_push = access.allows(Action.PUSH)
    is_awaited = unread > 0 or (may_push and repository.pushed_at is None)
    poll_ms = AWAITED_POLL_MS if is_awaited else POLL_MS if may_push else 0
    return {"state": f"{pushed_at}-{unread}", "poll_ms": poll_ms}


def has_nothing_new(request: HttpRequest, live: dict[str, object]) -> bool:
    return _is_exchange(request) and request.GET.get("seen") == live["state"]


def _is_exchange(request: HttpRequest) -> bool:
    """Whether an open page asks, to put a part of the answer into itself."""
    return "HX-Request" in request.headers


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1
