"""*Can bob pull alice/app:1.0?* The answer, with the rule that decides: for owners to ask.

The rule is access.py's: here it is only put into words, for people and in their language.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from accounts.principals import NOBODY, Principal
from repositories.access import Access, Action, Role, access_to
from repositories.immutable import is_immutable, is_written
from repositories.models import Repository
from repositories.refusals import Refusal, Rule

# Not a rule of access.py: what is asked for isn't there, whoever asks.
NO_SUCH_TAG = "no-such-tag"

ALLOWED: dict[Role, Promise] = {
    Role.OWNER: gettext_lazy("%(who)s owns the namespace %(namespace)s."),
    Role.COLLABORATOR: gettext_lazy("%(who)s is a collaborator with the level “%(level)s”."),
    Role.MAINTAINER: gettext_lazy("%(who)s is a maintainer of %(path)s."),
    Role.STAFF: gettext_lazy("%(path)s is top-level: everybody may pull it, without logging in."),
    Role.EVERYBODY: gettext_lazy("%(path)s is public: everybody may pull it, without logging in."),
}
REFUSED: dict[Rule, Promise] = {
    Rule.LOGIN: gettext_lazy("Nobody is logged in, and only somebody with a name may write."),
    Rule.NOT_FOUND: gettext_lazy("%(path)s is private, and %(who)s has not been let in."),
    Rule.NAMESPACE: gettext_lazy(
        "%(who)s neither owns the namespace %(namespace)s nor has been let in."
    ),
    Rule.TOP_LEVEL: gettext_lazy("%(who)s is no maintainer of %(path)s."),
    Rule.LEVEL: gettext_lazy("%(who)s is a collaborator with the level “%(level)s” only."),
    Rule.EMAIL: gettext_lazy("%(who)s has not confirmed an e-mail address yet."),
    Rule.SUSPENDED: gettext_lazy("The account %(who)s is blocked."),
}


@dataclass(frozen=True)
class Explanation:
    is_allowed: bool
    # The role that allows it, or the rule that refuses it.
    rule: str
    text: str
    why: str | None = None  # the address of the page about the rule that refuses


def explain(
    repository: Repository, user: User | None, action: Action, tag: str = ""
) -> Explanation:
    """Whether ``user`` (None: who has not logged in) may pull, push or delete, and why.

    What the user may, not a credential: an access token with a smaller scope may less.
    """
    access = access_to(Principal(user), repository.path)
    words = {
        "who": user.username if user else _("somebody who has not logged in"),
        "path": repository.path,
        "namespace": repository.path.partition("/")[0],
        "level": access.level or "",
        "tag": tag,
    }
    rule = _refusing_rule(access, user, action)
    if rule is not None:
        text = REFUSED[rule] % words
        text = " ".join([text, *_open_invitation(repository, user)])
        return _refused(rule, text, (("path", access.path), ("action", action.value)))
    if tag and (found := _about_tag(repository, action, words)):
        return found
    return Explanation(True, access.role.value, ALLOWED[access.role] % words)


def _about_tag(
    repository: Repository, action: Action, words: Mapping[str, str]
) -> Explanation | None:
    """Why it can't be done to this tag by anybody; None if it can."""
    tag = words["tag"]
    if action != Action.PUSH and not repository.tags.filter(name=tag).exists():
        text = _("%(who)s may, but %(path)s has no tag %(tag)s.") % words
        return Explanation(False, NO_SUCH_TAG, text)
    if action == Action.PULL or not is_immutable(repository, tag):
        return None
    if action == Action.PUSH and not is_written(repository, tag):
        return None
    text = _("%(who)s may, but the tag %(tag)s is immutable, and there already.") % words
    return _refused(Rule.IMMUTABLE, text, (("path", words["path"]), ("tag", tag)))


def _refused(rule: Rule, text: str, about: tuple[tuple[str, str], ...]) -> Explanation:
    return Explanation(False, rule.value, text, Refusal(rule, text, about).address)


def _refusing_rule(access: Access, user: User | None, action: Action) -> Rule | None:
    refusal = access.refusal(action)
    if refusal is not None:
        return refusal.rule
    # A blocked account may still pull what everybody may: by logging out.
    if user is not None and not user.is_active and not _may_everybody(access, action):
        return Rule.SUSPENDED
    return None


def _may_everybody(access: Access, action: Action) -> bool:
    return access_to(NOBODY, access.path).allows(action)


def _open_invitation(repository: Repository, user: User | None) -> list[str]:
    """Whose turn it is, where somebody has been invited and not answered."""
    if user is None:
        return []
    invitations = repository.collaborators.filter(user=user, accepted_at=None)
    level = invitations.values_list("level", flat=True).first()
    if level is None:
        return []
    text = _("%(who)s has been invited with the level “%(level)s”, and not accepted yet.")
    return [text % {"who": user.username, "level": level}]
