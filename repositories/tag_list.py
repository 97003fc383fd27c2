"""The rows of a repository's tags page: one for each digest, with the tags that point at it.

A page begins where the one before ended, at a key of the order, and is found by an index that
has this order: the first page of 100,000 tags costs what the last one does. Nothing counts them.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.db.models import (
    BooleanField,
    Count,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    Window,
)
from django.db.models.functions import RowNumber
from django.db.models.lookups import GreaterThan, LessThan
from django.utils.translation import gettext_lazy as _

from repositories import names
from repositories.models import Manifest, ManifestPart, Repository, Tag

PAGE_SIZE = 25
SHOWN_NAMES = 60  # of one digest
FIRST_STEP, LAST_STEP = 4 * PAGE_SIZE, 20_000  # tags that are looked at, at once
MAX_COUNTED = 1000  # counting 100,000 tags takes longer than anything else on a page
MAX_CURSOR_LENGTH = 200
# What a page never shows, and what may have megabytes.
UNSHOWN = ["content", "config", "annotations"]
# Tags that people don't want to see. The pattern alone takes 90 ms for 100,000 names; of most of
# them, their beginning says enough.
IS_ATTACHMENT = Q(name__startswith="sha256-") & Q(name__regex=names.ATTACHMENT_TAG_PATTERN)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


Key = tuple[Any, ...]  # where a tag stands: its values of an order's columns


class Sort(StrEnum):
    """What comes first. Each has an index: tag_newest, tag_once, tag_most_pulled."""

    NEWEST = "newest"
    NAME = "name"
    PULLS = "pulls"

    @property
    def label(self) -> str:
        return str(SORT_LABELS[self])

    @property
    def fields(self) -> tuple[str, ...]:
        """The order's columns; together they are different for each tag."""
        return SORT_FIELDS[self]

    @property
    def is_descending(self) -> bool:
        return self != Sort.NAME


SORT_LABELS = {
    Sort.NEWEST: _("Newest push"),
    Sort.NAME: _("Name"),
    Sort.PULLS: _("Most pulls"),
}
SORT_FIELDS = {
    Sort.NEWEST: ("pushed_at", "name"),
    Sort.NAME: ("name",),
    Sort.PULLS: ("pull_count", "name"),
}


@dataclass(frozen=True)
class Variant:
    """An image for one platform; ``platform`` is empty where it says none."""

    platform: str
    digest: str
    size_bytes: int | None  # compressed; None: not read yet


@dataclass(frozen=True)
class Row:
    """A digest. ``tags`` has at least one and at most SHOWN_NAMES, in the page's order."""

    manifest: Manifest
    tags: list[Tag]
    tag_count: int
    pull_count: int
    variants: list[Variant]

    @property
    def newest_tag(self) -> Tag:
        return max(self.tags, key=lambda tag: tag.pushed_at)

    @property
    def is_missing(self) -> bool:
        return self.manifest.missing_since is not None

    @property
    def smallest(self) -> int | None:
        return min(self._sizes, default=self.manifest.size_bytes)

    @property
    def largest(self) -> int | None:
        return max(self._sizes, default=self.manifest.size_bytes)

    @property
    def _sizes(self) -> list[int]:
        return [variant.size_bytes for variant in self.variants if variant.size_bytes is not None]


class Head(NamedTuple):
    """A digest, and where its first tag stands."""

    manifest_id: int
    key: Key


@dataclass(frozen=True)
class Page:
    """Some rows, and the cursors of the pages beside them; empty where there is none."""

    rows: list[Row]
    sort: Sort
    before: str = ""
    after: str = ""


def page_of_rows(
    repository: Repository,
    text: str = "",
    sort: str = "",
    *,
    after: str = "",
    before: str = "",
) -> Page:
    """The digests that begin with ``text``, or that have a tag with it; six queries, as a rule.

    A cursor that nobody has made begins at the start.
    """
    order = Sort(sort) if sort in list(Sort) else Sort.NEWEST
    backwards = bool(before)
    key = _key_of(order, before or after)
    found = _heads(_filtered(repository, text), order, key, backwards=backwards)
    has_more = len(found) > PAGE_SIZE
    found = found[:PAGE_SIZE]
    if backwards:
        found.reverse()
    has_before, has_after = (has_more, True) if backwards else (key is not None, has_more)
    manifests = Manifest.objects.defer(*UNSHOWN).in_bulk([head.manifest_id for head in found])
    return Page(
        rows_of([manifests[head.manifest_id] for head in found], order),
        order,
        before=_cursor_of(order, found[0].key) if found and has_before else "",
        after=_cursor_of(order, found[-1].key) if found and has_after else "",
    )


def _heads(tags: QuerySet[Tag], order: Sort, key: Key | None, *, backwards: bool) -> list[Head]:
    """The tags after ``key`` (or before it) that are the first of their digest: a page and one.

    Walked in steps that grow, so that many tags of one digest take few steps. As one statement,
    an anti-join, PostgreSQL may choose to compare each of them with each other.
    """
    found: list[Head] = []
    first_tags: dict[int, int] = {}  # by manifest
    step = FIRST_STEP
    while True:
        walked = tags.order_by(*_ordering(order, backwards=backwards))
        if key is not None:
            walked = walked.filter(_beyond(order, key, backwards=backwards))
        some = list(walked.values_list("pk", "manifest", *order.fields)[:step])
        first_tags |= _first_tags(tags, order, {row[1] for row in some} - first_tags.keys())
        for pk, manifest_id, *key_parts in some:
            if first_tags[manifest_id] == pk:
                found.append(Head(manifest_id, tuple(key_parts)))
        if len(found) > PAGE_SIZE or len(some) < step:
            return found[: PAGE_SIZE + 1]
        key = some[-1][2:]
        step = min(step * 4, LAST_STEP)


def _first_tags(tags: QuerySet[Tag], order: Sort, manifest_ids: set[int]) -> dict[int, int]:
    """The first tag of each manifest, where it stands on the pages."""
    if not manifest_ids:
        return {}
    siblings = tags.filter(manifest=OuterRef("pk")).order_by(*_ordering(order))
    manifests = Manifest.objects.filter(pk__in=manifest_ids)
    return dict(manifests.values_list("pk", Subquery(siblings.values("pk")[:1])))


def tags_of(repository: Repository) -> QuerySet[Tag]:
    """The tags for people, the newest push first."""
    tags = repository.tags.exclude(IS_ATTACHMENT)
    return tags.order_by(*_ordering(Sort.NEWEST))


def count_of(repository: Repository) -> int:
    """How many tags there are; MAX_COUNTED may be more."""
    return tags_of(repository).order_by()[:MAX_COUNTED].count()


def _filtered(repository: Repository, text: str) -> QuerySet[Tag]:
    tags = tags_of(repository).order_by()
    if text.startswith("sha256:"):
        return tags.filter(manifest__in=repository.manifests.filter(digest__startswith=text))
    return tags.filter(name__icontains=text) if text else tags


def _beyond(order: Sort, key: Key, *, backwards: bool) -> Any:
    """Whether a tag comes after ``key`` in this order (or before): one comparison of rows.

    PostgreSQL walks an index with it, which it doesn't with ``a < x OR (a = x AND b < y)``.
    """
    compare = LessThan if order.is_descending != backwards else GreaterThan
    return compare(_row(*map(F, order.fields)), _row(*map(Value, key)))


def _row(*parts: Any) -> Func:
    # Rows have no type in Django; this one is never read, only compared.
    return Func(*parts, function="ROW", output_field=BooleanField())


def _ordering(order: Sort, *, backwards: bool = False) -> list[str]:
    sign = "-" if order.is_descending != backwards else ""
    return [sign + field for field in order.fields]


def _cursor_of(order: Sort, key: Key) -> str:
    """A key for an address: ``1767225600000000~1.0``."""
    if order == Sort.NAME:
        return str(key[0])
    first, name = key
    if order == Sort.NEWEST:
        first = (first - EPOCH) // MICROSECOND
    return f"{first}~{name}"


def _key_of(order: Sort, cursor: str) -> Key | None:
    """The values behind a cursor; None if it is none."""
    first, tilde, name = cursor.rpartition("~")
    if len(cursor) > MAX_CURSOR_LENGTH or not names.is_tag(name):
        return None
    if order == Sort.NAME:
        return None if tilde else (name,)
    try:
        number = int(first)
        if order == Sort.NEWEST:
            return (EPOCH + number * MICROSECOND, name)
    except (ValueError, OverflowError):
        return None
    return (number, name) if abs(number) < 2**63 else None


def rows_of(manifests: list[Manifest], order: Sort = Sort.NEWEST) -> list[Row]:
    siblings: dict[str, Any] = {"partition_by": "manifest"}
    ranked = (
        Tag.objects.filter(manifest__in=manifests)
        .exclude(IS_ATTACHMENT)
        .annotate(
            place=Window(RowNumber(), order_by=_ordering(order), **siblings),
            sibling_count=Window(Count("pk"), **siblings),
            sibling_pulls=Window(Sum("pull_count"), **siblings),
        )
    )
    tags: defaultdict[int, list[Any]] = defaultdict(list)
    for tag in ranked.filter(place__lte=SHOWN_NAMES).order_by("place"):
        tags[tag.manifest_id].append(tag)
    variants = variants_of(manifests)
    return [
        Row(
            manifest,
            tags[manifest.pk],
            tags[manifest.pk][0].sibling_count,
            tags[manifest.pk][0].sibling_pulls,
            variants[manifest.pk],
        )
        for manifest in manifests
        if tags[manifest.pk]  # unless its last tag went while we looked
    ]


def variants_of(manifests: list[Manifest]) -> dict[int, list[Variant]]:
    """The images behind each manifest (by its primary key): itself, or an index's children."""
    found: dict[int, list[Variant]] = {manifest.pk: [] for manifest in manifests}
    for manifest in manifests:
        if manifest.kind == Manifest.Kind.IMAGE:
            image = Variant(manifest.platform, manifest.digest, manifest.size_bytes)
            found[manifest.pk].append(image)
    parts = list(
        ManifestPart.objects.filter(
            manifest__in=[m for m in manifests if m.kind == Manifest.Kind.INDEX],
            kind=ManifestPart.Kind.CHILD,
            is_attestation=False,
        )
        .annotate(repository_id=F("manifest__repository_id"))
        .order_by("manifest", "position")
    )
    children = _children({(part.repository_id, part.digest) for part in parts})
    for part in parts:
        child = children.get((part.repository_id, part.digest))
        platform = part.platform or (child.platform if child else "")
        size = child.size_bytes if child else None
        found[part.manifest_id].append(Variant(platform, part.digest, size))
    return found


def _children(keys: set[tuple[int, str]]) -> dict[tuple[int, str], Manifest]:
    if not keys:
        return {}
    manifests = Manifest.objects.defer(*UNSHOWN, "facts").filter(
        repository__in={repository for repository, _digest in keys},
        digest__in={digest for _repository, digest in keys},
    )
    return {(manifest.repository_id, manifest.digest): manifest for manifest in manifests}


def platforms_of(repositories: list[Repository]) -> dict[int, list[str]]:
    """The platforms of each repository's newest tag, by the repository's primary key."""
    tags = Tag.objects.filter(repository=OuterRef("pk"))
    tags = tags.exclude(IS_ATTACHMENT).order_by(*_ordering(Sort.NEWEST))
    # One step in the index for each, where DISTINCT ON would read and sort all their tags.
    newest = (
        Repository.objects.filter(pk__in=[repository.pk for repository in repositories])
        .annotate(newest=Subquery(tags.values("manifest")[:1]))
        .values("newest")
    )
    manifests = list(Manifest.objects.defer(*UNSHOWN, "facts").filter(pk__in=newest))
    variants = variants_of(manifests)
    return {
        manifest.repository_id: [variant.platform for variant in variants[manifest.pk]]
        for manifest in manifests
    }
