"""The grammar of user names, which are namespaces, and the names that nobody gets.

Pure: plain strings in, plain strings out. Forms, API, commands and the database's constraint
all come here.
"""

import re
from collections.abc import Callable

from django.utils.translation import gettext as _

MIN_LENGTH = 2
MAX_LENGTH = 39  # as on GitHub: leaves room for a host name within the 255 of a reference
# Two or more letters and digits, with single "-" or "_" between them. A subset of what the OCI
# allows in a path.
NAMESPACE_PATTERN = r"^(?=..)[a-z0-9]+([-_][a-z0-9]+)*$"

# Words that the URL space or the ecosystem uses, for users and top-level repositories alike.
RESERVED = frozenset(
    [
        "library",
        "users",
        "user",
        "auth",
        "token",
        "repositories",
        "namespaces",
        "orgs",
        "access-tokens",
        "api_tokens",
        "auditlogs",
        "search",
        "invites",
        "login",
        "logout",
        "account",
        "accounts",
        "settings",
        "api",
        "v1",
        "v2",
        "hooks",
        "gate",
        "static",
        "help",
        "why",
        "explore",
        "builds",
        "admin",
        "staff",
        "official",
        "gantry",
        "localhost",
        "deleted",
    ]
)

# docker up to 1.4 takes no other namespaces (moby v1.4.1, registry/registry.go).
OLD_DOCKER_PATTERN = re.compile(r"[a-z0-9_]{4,30}")
# Any client refuses a name that could be an image id (distribution/reference, "64 hex digits").
HEX_ID_PATTERN = re.compile(r"[0-9a-f]{64}")


class BadName(ValueError):
    """The name can't be had; the message says what is wrong with it, for people."""


def fold(name: str) -> str:
    """As names are stored and compared. Lower case alone: other letters are refused anyway."""
    return name.strip().lower()


def check(name: str) -> None:
    """Raise BadName if ``name`` (already folded) can't be a namespace."""
    if not MIN_LENGTH <= len(name) <= MAX_LENGTH:
        raise BadName(
            _("A user name has %(min)s to %(max)s characters; this one has %(length)s.")
            % {"min": MIN_LENGTH, "max": MAX_LENGTH, "length": len(name)}
        )
    if not name.isascii() or re.search(r"[^a-z0-9_-]", name):
        raise BadName(
            _(
                "A user name has only the letters a to z, digits, “-” and “_”, since it is part "
                "of image names."
            )
        )
    if not re.fullmatch(NAMESPACE_PATTERN[1:-1], name):
        raise BadName(
            _(
                "“-” and “_” stand alone between letters or digits: not at an end, and not two "
                "in a row."
            )
        )
    if name in RESERVED:
        raise BadName(_("“%(name)s” is a word that the index uses itself.") % {"name": name})


def suggest(name: str, is_free: Callable[[str], bool]) -> str | None:
    """A well-formed free name near ``name``; None if nothing of it can be kept."""
    kept = re.sub(r"[^a-z0-9_-]+", "-", fold(name))
    kept = re.sub(r"([-_])[-_]+", r"\1", kept).strip("-_")[: MAX_LENGTH - 3].rstrip("-_")
    if not kept:
        return None
    for candidate in [kept, *(f"{kept}-{number}" for number in range(1, 10))]:
        try:
            check(candidate)
        except BadName:
            continue
        if is_free(candidate):
            return candidate
    return None


def is_usable_by_old_docker(name: str) -> bool:
    """Whether docker up to 1.4 can push to this namespace."""
    return OLD_DOCKER_PATTERN.fullmatch(name) is not None


def old_docker_hint(name: str) -> str:
    """What the owner of a name should know that old clients refuse; empty if they take it."""
    if is_usable_by_old_docker(name):
        return ""
    return _(
        "Docker 1.4 and older can't push to “%(name)s”: they want 4 to 30 of a to z, 0 to 9 "
        "and “_”. Every later client can."
    ) % {"name": name}
