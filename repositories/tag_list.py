"""The rows of a repository's tags page: one for each digest, with all the tags that point at it."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import F, Max

from repositories import names
from repositories.models import Manifest, ManifestPart, Repository, Tag

PAGE_SIZE = 25
# What a page never shows, and what may have megabytes.
UNSHOWN = ["content", "config", "annotations"]


@dataclass(frozen=True)
class Variant:
    """An image for one platform; ``platform`` is empty where it says none."""

    platform: str
    digest: str
    size_bytes: int | None  # compressed; None: not read yet


@dataclass(frozen=True)
class Row:
    """A digest. ``tags`` has at least one, the newest push first."""

    manifest: Manifest
    tags: list[Tag]
    variants: list[Variant]

    @property
    def pushed_at(self) -> datetime:
        return self.tags[0].pushed_at

    @property
    def pushed_by(self) -> str:
        return self.tags[0].pushed_by

    @property
    def pull_count(self) -> int:
        return sum(tag.pull_count for tag in self.tags)

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


def page_of_rows(
    repository: Repository, text: str = "", number: int | str = 1
) -> tuple[Page[Any], list[Row]]:
    """The digests that begin with ``text``, or that have a tag with it; six queries at most."""
    tags = repository.tags.exclude(name__regex=names.ATTACHMENT_TAG_PATTERN)
    if text.startswith("sha256:"):
        tags = tags.filter(manifest__digest__startswith=text)
    elif text:
        tags = tags.filter(name__icontains=text)
    newest = tags.values_list("manifest").annotate(newest=Max("pushed_at"))
    page = Paginator(newest.order_by("-newest", "-manifest"), PAGE_SIZE).get_page(number)
    ids = [manifest_id for manifest_id, _newest in page.object_list]
    manifests = Manifest.objects.defer(*UNSHOWN).in_bulk(ids)
    return page, rows_of([manifests[pk] for pk in ids if pk in manifests])


def rows_of(manifests: list[Manifest]) -> list[Row]:
    tags: defaultdict[int, list[Tag]] = defaultdict(list)
    for tag in Tag.objects.filter(manifest__in=manifests).order_by("-pushed_at", "-name"):
        if not names.is_attachment_tag(tag.name):
            tags[tag.manifest_id].append(tag)
    variants = variants_of(manifests)
    return [Row(manifest, tags[manifest.pk], variants[manifest.pk]) for manifest in manifests]


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
    newest = (
        Tag.objects.filter(repository__in=repositories)
        .exclude(name__regex=names.ATTACHMENT_TAG_PATTERN)
        .order_by("repository", "-pushed_at")
        .distinct("repository")
        .values("manifest")
    )
    manifests = list(Manifest.objects.defer(*UNSHOWN, "facts").filter(pk__in=newest))
    variants = variants_of(manifests)
    return {
        manifest.repository_id: [variant.platform for variant in variants[manifest.pk]]
        for manifest in manifests
    }
