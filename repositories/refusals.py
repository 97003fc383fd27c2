"""What clients print when something is refused: the rule in a sentence, and the page about it.

docker, podman and others show one line of ours at best, so it says the cure, too; the page at
``/why/<rule>`` says the rest: what happened, whose turn it is, what to do. The sentences are
plain ASCII English, and they and their addresses are told from what the client itself said: none
depends on whether a private repository is there.
"""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse


class Rule(StrEnum):
    """Why something is refused; the last part of the address of the page about it."""

    NAME = "name"
    LOGIN = "login"
    NOT_FOUND = "not-found"
    NAMESPACE = "namespace"
    TOP_LEVEL = "top-level"
    LEVEL = "level"
    SCOPE = "scope"
    EMAIL = "email"
    SUSPENDED = "suspended"  # said by accounts/credentials.py, which knows it
    IMMUTABLE = "immutable"
    READ_ONLY = "read-only"


@dataclass(frozen=True)
class Refusal:
    """One refusal; its text is what a client gets."""

    rule: Rule
    sentence: str
    # What the client wanted, for the page to speak of: ``path``, ``action``, ``tag``.
    about: tuple[tuple[str, str], ...] = ()

    @property
    def address(self) -> str:
        query = urlencode([(key, value) for key, value in self.about if value], safe="/")
        path = reverse("repositories:why", args=[self.rule.value])
        return f"{settings.SITE_URL}{path}{'?' if query else ''}{query}"

    def __str__(self) -> str:
        return f"{self.sentence}. {self.address}"


def bad_name(problem: str) -> Refusal:
    return Refusal(Rule.NAME, problem)


def not_logged_in(path: str, action: str) -> Refusal:
    sentence = f"log in to {action}: docker login {settings.SITE_HOST}"
    return Refusal(Rule.LOGIN, sentence, (("path", path),))


def not_found(path: str, username: str) -> Refusal:
    """The same for what isn't there and for what the client may not see."""
    whose = f"open to {username}" if username else "open to everybody"
    return Refusal(Rule.NOT_FOUND, f"{path} is not here, or not {whose}", (("path", path),))


def other_namespace(path: str, username: str, action: str) -> Refusal:
    namespace, _slash, name = path.rpartition("/")
    about = (("path", path), ("action", action))
    if action == "push":
        sentence = (
            f"{namespace}/ is not your namespace, {username}: push to {username}/{name} instead, "
            f"or ask {namespace} to let you in"
        )
    else:
        sentence = f"{path} is not here, or not yours to delete from, {username}"
    return Refusal(Rule.NAMESPACE, sentence, about)


def top_level(path: str, username: str, action: str) -> Refusal:
    about = (("path", path), ("action", action))
    if action == "push":
        sentence = (
            f"{path} would be a top-level repository, and those are pushed by their maintainers "
            f"alone: push to {username}/{path} instead"
        )
    else:
        sentence = f"{path} is not here, or not yours to delete from, {username}"
    return Refusal(Rule.TOP_LEVEL, sentence, about)


def level_too_low(path: str, level: str, action: str) -> Refusal:
    owner = path.partition("/")[0]
    sentence = f"you may only {level} as a collaborator of {path}: ask {owner} for more to {action}"
    return Refusal(Rule.LEVEL, sentence, (("path", path), ("action", action)))


def scope_too_small(path: str, scope: str, action: str) -> Refusal:
    needed = "delete" if action == "delete" else "write"
    sentence = f"this access token may only {scope}: make one with the scope {needed}"
    return Refusal(Rule.SCOPE, sentence, (("path", path), ("action", action)))


def email_unconfirmed(path: str) -> Refusal:
    return Refusal(
        Rule.EMAIL, "confirm your e-mail address before your first push", (("path", path),)
    )


def immutable_tag(path: str, tag: str, action: str) -> Refusal:
    what = "removed" if action == "delete" else "written a second time"
    sentence = f"{path}:{tag} is immutable and can not be {what}: push another tag"
    return Refusal(Rule.IMMUTABLE, sentence, (("path", path), ("tag", tag)))


def being_written(path: str, tag: str) -> Refusal:
    sentence = (
        f"{path}:{tag} is immutable and somebody is writing it at this moment: "
        "if that push fails, try again in 15 minutes"
    )
    return Refusal(Rule.IMMUTABLE, sentence, (("path", path), ("tag", tag)))


def being_deleted(path: str) -> Refusal:
    sentence = f"something in {path} is being deleted or given back: push again in a minute"
    return Refusal(Rule.READ_ONLY, sentence, (("path", path),))


def read_only() -> Refusal:
    return Refusal(
        Rule.READ_ONLY,
        "the registry takes no writes while unused layers are removed: push again in some minutes",
    )
