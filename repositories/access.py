"""Who may do what to a repository: asked here, by every surface, and nowhere else.

The token endpoint, the gate, the pages, the REST API and the v1 API all call ``access_to()``
for one path and ``visible_repositories()`` for lists. A private repository that the caller may
not see does not exist: same answer, everywhere.
"""

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404

from accounts.compiled_queries import CompiledQuery
from accounts.models import AccessToken
from accounts.principals import Principal
from repositories.models import Repository, RepositoryQuerySet
from repositories.names import split_path

_IN_NAMESPACE = CompiledQuery(
    lambda namespace, name: Repository.objects.at(f"{namespace}/{name}").select_related("namespace")
)
_AT_TOP_LEVEL = CompiledQuery(lambda name: Repository.objects.at(name).select_related("namespace"))


class Action(StrEnum):
    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    ADMIN = "admin"  # settings and README, on the web and in the API; no client asks for it


ALL = frozenset(Action)
# An access token is for clients and programs: it never reaches a repository's settings, but
# "delete" includes what the API lets its owner change.
BY_SCOPE = {
    AccessToken.Scope.READ: frozenset({Action.PULL}),
    AccessToken.Scope.WRITE: frozenset({Action.PULL, Action.PUSH}),
    AccessToken.Scope.DELETE: ALL,
}


@dataclass(frozen=True)
class Access:
    """What somebody may do to a path. ``repository`` is None if there is none that he may see."""

    path: str
    repository: Repository | None
    actions: frozenset[Action]
    # Why he may not push, in English for clients to print; empty if he may.
    push_refusal: str = ""

    def allows(self, action: Action) -> bool:
        return action in self.actions


def access_to(principal: Principal, path: str) -> Access:
    """What ``principal`` may do to the repository at ``path``, whether it exists or not."""
    parts = split_path(path)
    if parts is None:
        return Access(path, None, frozenset(), f"{path[:200]!r} is not a name of this index.")
    namespace, name = parts
    repository = _IN_NAMESPACE.first(namespace, name) if namespace else _AT_TOP_LEVEL.first(name)
    rights = _rights_of(principal, namespace, repository)
    actions = rights & _left_by_scope(principal)
    if principal.user is not None and principal.user.must_confirm_email:
        actions -= {Action.PUSH}
    if not rights:
        repository = None
    refusal = "" if Action.PUSH in actions else _why_no_push(principal, path, namespace, rights)
    return Access(path, repository, actions, refusal)


def visible_repositories(principal: Principal) -> RepositoryQuerySet:
    """Those that ``principal`` may pull: says for a list what access_to() says for one."""
    visible = Q(is_private=False)
    if principal.user is not None:
        visible |= Q(namespace__user=principal.user)
    return Repository.objects.filter(visible)


def get_repository_or_404(principal: Principal, path: str, action: Action) -> Repository:
    """The repository at ``path``, if ``principal`` may do ``action`` to it.

    Raises Http404 where he may not even look, PermissionDenied where he may look but not act.
    """
    access = access_to(principal, path)
    if access.repository is None or not access.allows(Action.PULL):
        raise Http404
    if not access.allows(action):
        raise PermissionDenied
    return access.repository


def may_create_top_level(principal: Principal) -> bool:
    """Everybody trusts the top level: staff make a repository there, and name who keeps it."""
    return principal.is_staff


def _rights_of(
    principal: Principal, namespace: str | None, repository: Repository | None
) -> frozenset[Action]:
    """What the user may do, whatever he shows for it."""
    user = principal.user
    if namespace is not None:
        if user is not None and user.username == namespace:
            # Nothing is there to delete or to set up before the first push.
            return ALL if repository else frozenset({Action.PULL, Action.PUSH})
        is_public = repository is not None and not repository.is_private
        return frozenset({Action.PULL}) if is_public else frozenset()
    if repository is None:
        return frozenset()
    if user is not None and repository.maintainers.filter(pk=user.pk).exists():
        return ALL
    return frozenset({Action.PULL, Action.ADMIN} if principal.is_staff else {Action.PULL})


def _left_by_scope(principal: Principal) -> frozenset[Action]:
    return ALL if principal.scope is None else BY_SCOPE[principal.scope]


def _why_no_push(
    principal: Principal, path: str, namespace: str | None, rights: frozenset[Action]
) -> str:
    """The rule and where to cure it, in a sentence for clients that print one."""
    user = principal.user
    if user is None:
        return (
            f"log in to push: docker login {settings.SITE_HOST} "
            f"(access tokens: {settings.SITE_URL}/account/tokens)"
        )
    if Action.PUSH in rights and user.must_confirm_email:
        return (
            "confirm your e-mail address before your first push: "
            f"{settings.SITE_URL}/account/email/"
        )
    if Action.PUSH in rights:
        return (
            f"this access token may only {principal.scope}: make one with the scope "
            f"write at {settings.SITE_URL}/account/tokens"
        )
    if namespace is None:
        return (
            f"{path} would be a top-level repository, and those are pushed by their maintainers "
            f"alone: push to {user.username}/{path} instead. {settings.SITE_URL}/u/{user.username}"
        )
    name = path.rpartition("/")[2]
    return (
        f"{namespace}/ is not your namespace, {user.username}: push to {user.username}/{name} "
        f"instead. {settings.SITE_URL}/u/{user.username}"
    )
