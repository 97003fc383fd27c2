"""Immutable tags: an owner gives shell patterns, and a tag that fits one is written once.

The gate decides. It sees a tag's name and never the manifest's bytes, so the same image pushed a
second time is refused like any other. Pure, but for the questions about rows at the end.
"""

from fnmatch import fnmatchcase

from django.db.models import Q

from repositories.models import ManifestPart, PendingWrite, Repository, Tag
from repositories.names import is_digest

MAX_PATTERNS = 20  # more is no rule that anybody remembers
_ALLOWED = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-*?[]!")


class BadPattern(ValueError):
    """A line is no pattern for tags; the text is that line."""


def patterns_of(text: str) -> list[str]:
    """One a line, each once."""
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def checked(text: str) -> list[str]:
    """The patterns, if all are such that a tag can fit. Raises BadPattern."""
    patterns = patterns_of(text)
    for pattern in patterns:
        if set(pattern) - _ALLOWED or len(pattern) > 128:
            raise BadPattern(pattern)
    return patterns


def is_immutable(repository: Repository, tag: str) -> bool:
    return any(fnmatchcase(tag, pattern) for pattern in patterns_of(repository.immutable_tags))


def is_written(repository: Repository, tag: str) -> bool:
    """Whether an immutable tag has had its one write. What the registry lost may come again."""
    return repository.tags.filter(name=tag, missing_since=None).exists()


def writes_under_way(repository: Repository) -> list[str]:
    """Immutable tags that somebody was let through to write, and that nobody has seen yet."""
    writes = PendingWrite.objects.filter(path=repository.path, method=PendingWrite.Method.PUT)
    references = writes.values_list("reference", flat=True).distinct()
    return [
        reference
        for reference in references
        if not is_digest(reference) and is_immutable(repository, reference)
    ]


def tags_that_need(repository: Repository, reference: str) -> list[str]:
    """The immutable tags that a deletion of ``reference`` (a tag or a digest) would break."""
    if not repository.immutable_tags:
        return []
    tags = Tag.objects.filter(repository=repository)
    if is_digest(reference):
        indexes = ManifestPart.objects.filter(
            kind=ManifestPart.Kind.CHILD, digest=reference, manifest__repository=repository
        )
        tags = tags.filter(
            Q(manifest__digest=reference) | Q(manifest__in=indexes.values("manifest"))
        )
    else:
        tags = tags.filter(name=reference)
    names = tags.order_by("name").values_list("name", flat=True)
    return [name for name in names if is_immutable(repository, name)]
