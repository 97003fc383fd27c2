"""Who may do what to a repository: asked here, by every surface, and nowhere else.

The token endpoint, the gate, the pages, the REST API and the v1 API all call ``access_to()``
for one path and ``visible_repositories()`` for lists. A private repository that the caller may
not see does not exist: same answer, everywhere.
"""

from dataclasses import dataclass
from enum import StrEnum

from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Q, Subquery
from django.http import Http404

from accounts.compiled_queries import CompiledQuery
from accounts.models import AccessToken
from accounts.principals import NOBODY, Principal
from repositories import refusals
from repositories.models import (
    Collaborator,
    Deletion,
    DeletionQuerySet,
    Repository,
    RepositoryQuerySet,
)
from repositories.names import split_path
from repositories.refusals import Refusal

_IN_NAMESPACE = CompiledQuery(
    lambda namespace, name: Repository.objects.at(f"{namespace}/{name}").select_related("namespace")
)
# The same, and in the same query what somebody else may do there.
_WITH_LEVEL = CompiledQuery(
    lambda namespace, name, username: (
        Repository.objects.at(f"{namespace}/{name}")
        .select_related("namespace")
        .annotate(
            level=Subquery(
                Collaborator.objects.accepted()
                .filter(repository=OuterRef("pk"), user__username=username)
                .values("level")[:1]
            )
        )
    )
)
_AT_TOP_LEVEL = CompiledQuery(lambda name: Repository.objects.at(name).select_related("namespace"))


class Action(StrEnum):
    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"  # tags and images
    ADMIN = "admin"  # settings and README, on the web and in the API; no client asks for it
    OWN = "own"  # remove the repository, make it public or private, name who administers it


class Role(StrEnum):
    """The rule that decides what somebody may do to a repository."""

    OWNER = "owner"
    COLLABORATOR = "collaborator"
    MAINTAINER = "maintainer"
    STAFF = "staff"
    EVERYBODY = "everybody"
    NONE = "none"  # nothing is there, or nothing that he may see


Level = Collaborator.Level
PULL = frozenset({Action.PULL})
PUSH = PULL | {Action.PUSH}
ALL = frozenset(Action)
BY_LEVEL = {Level.PULL: PULL, Level.PUSH: PUSH, Level.ADMIN: ALL - {Action.OWN}}
BY_ROLE = {
    Role.OWNER: ALL,
    Role.MAINTAINER: ALL,
    # They make a top-level repository and name who keeps it; what it holds is for those alone.
    Role.STAFF: frozenset({Action.PULL, Action.ADMIN}),
    Role.EVERYBODY: PULL,
    Role.NONE: frozenset(),
}
# An access token is for clients and programs: it never reaches a repository's settings, but
# "delete" includes what the API lets its owner change.
BY_SCOPE = {
    AccessToken.Scope.READ: PULL,
    AccessToken.Scope.WRITE: PUSH,
    AccessToken.Scope.DELETE: ALL,
}


@dataclass(frozen=True)
class Access:
    """What somebody may do to a path. ``repository`` is None if there is none that he may see."""

    path: str
    repository: Repository | None
    actions: frozenset[Action]
    role: Role = Role.NONE
    level: Level | None = None  # of a collaborator
    principal: Principal = NOBODY

    def allows(self, action: Action) -> bool:
        return action in self.actions

    def may_grant(self, level: str) -> bool:
        """Whether he may let others in with ``level``, or end that: those above him he may not."""
        return self.allows(Action.OWN if level == Level.ADMIN else Action.ADMIN)

    @property
    def push_refusal(self) -> str:
        """Why he may not push, for clients to print; empty if he may."""
        return str(self.refusal(Action.PUSH) or "")

    def refusal(self, action: Action) -> Refusal | None:
        """The rule that refuses ``action`` (pull, push or delete), and its cure; None if none."""
        if self.allows(action):
            return None
        parts = split_path(self.path)
        if parts is None:
            return refusals.bad_name(f"{self.path[:200]!a} is not a name of this index")
        user, scope = self.principal.user, self.principal.scope
        if user is None and action != Action.PULL:
            return refusals.not_logged_in(self.path, action)
        if user is None or action == Action.PULL:
            return refusals.not_found(self.path, self.principal.username)
        if action in _rights(self.role, self.level, self.repository):
            if action == Action.PUSH and user.must_confirm_email:
                return refusals.email_unconfirmed(self.path)
            return refusals.scope_too_small(self.path, scope or "", action)
        if self.level is not None:
            return refusals.level_too_low(self.path, self.level, action)
        refuse = refusals.top_level if parts[0] is None else refusals.other_namespace
        return refuse(self.path, user.username, action)


def access_to(principal: Principal, path: str) -> Access:
    """What ``principal`` may do to the repository at ``path``, whether it exists or not."""
    parts = split_path(path)
    if parts is None:
        return Access(path, None, frozenset(), principal=principal)
    namespace, name = parts
    level = None
    if namespace is None:
        repository = _AT_TOP_LEVEL.first(name)
        role = _role_at_top_level(principal, repository)
    elif principal.user is None or principal.username == namespace:
        repository = _IN_NAMESPACE.first(namespace, name)
        role = Role.OWNER if principal.user is not None else _role_of_others(repository)
    else:
        repository = _WITH_LEVEL.first(namespace, name, principal.username)
        level = _level_in(repository)
        role = Role.COLLABORATOR if level else _role_of_others(repository)
    actions = _rights(role, level, repository) & _left_by_scope(principal)
    if principal.user is not None and principal.user.must_confirm_email:
        actions -= {Action.PUSH}
    visible = None if role == Role.NONE else repository
    return Access(path, visible, actions, role, level, principal)


def visible_repositories(principal: Principal) -> RepositoryQuerySet:
    """Those that ``principal`` may pull: says for a list what access_to() says for one."""
    visible = Q(is_private=False)
    if principal.user is not None:
        let_in = Collaborator.objects.accepted().filter(user=principal.user)
        visible |= Q(namespace__user=principal.user) | Q(pk__in=let_in.values("repository"))
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


def may_undo(principal: Principal, deletion: Deletion) -> bool:
    """Whether ``principal`` may give back what was deleted.

    A repository that is gone is given back by whom it belonged to: access_to() would say that
    there is none.
    """
    repository = deletion.repository
    if repository.deleted_at is None:
        needed = Action.OWN if deletion.kind == Deletion.Kind.REPOSITORY else Action.DELETE
        return access_to(principal, repository.path).allows(needed)
    user = principal.user
    if user is None or Action.OWN not in _left_by_scope(principal):
        return False
    if repository.namespace is not None:
        return repository.namespace.user_id == user.pk
    return repository.maintainers.filter(pk=user.pk).exists()


def undoable_deletions(principal: Principal) -> DeletionQuerySet:
    """What ``principal`` sees of what was deleted: says for a list what may_undo() says for one."""
    if principal.user is None or Action.OWN not in _left_by_scope(principal):
        return Deletion.objects.none()
    let_in = Collaborator.objects.accepted().filter(user=principal.user, level=Level.ADMIN)
    of_tags = ~Q(kind=Deletion.Kind.REPOSITORY) & Q(repository__deleted_at=None)
    return Deletion.objects.filter(
        Q(repository__namespace__user=principal.user)
        | Q(repository__in=Repository.everything.filter(maintainers=principal.user))
        | (of_tags & Q(repository__in=let_in.values("repository")))
    ).select_related("repository__namespace")


def may_create_top_level(principal: Principal) -> bool:
    """Everybody trusts the top level: staff make a repository there, and name who keeps it."""
    return principal.is_staff


def _role_at_top_level(principal: Principal, repository: Repository | None) -> Role:
    if repository is None:
        return Role.NONE
    user = principal.user
    if user is not None and repository.maintainers.filter(pk=user.pk).exists():
        return Role.MAINTAINER
    return Role.STAFF if principal.is_staff else Role.EVERYBODY


def _role_of_others(repository: Repository | None) -> Role:
    """Of those who neither own a user repository nor were let in."""
    is_public = repository is not None and not repository.is_private
    return Role.EVERYBODY if is_public else Role.NONE


def _level_in(repository: Repository | None) -> Level | None:
    level = getattr(repository, "level", None)
    return Level(level) if level else None


def _rights(role: Role, level: Level | None, repository: Repository | None) -> frozenset[Action]:
    """What the user may do, whatever he shows for it."""
    if level is not None:
        return BY_LEVEL[level]
    if role == Role.OWNER and repository is None:
        return PUSH  # nothing is there to delete or to set up before the first push
    return BY_ROLE[role]


def _left_by_scope(principal: Principal) -> frozenset[Action]:
    return ALL if principal.scope is None else BY_SCOPE[principal.scope]
