"""What is this digest? Where something with it is, or was, among what one may see."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from accounts.principals import Principal
from repositories.access import visible_repositories
from repositories.models import Manifest, ManifestPart, Repository, TagChange
from repositories.names import is_digest
from repositories.tag_list import UNSHOWN

MAX_CANDIDATES = 10
# A base image's layer may be in thousands of images: the newest are shown.
MAX_MANIFESTS = 200
MAX_PERIODS = 500
# docker prints twelve digits of an image's id; fewer would find anything.
_PREFIX = re.compile(r"(?:sha256:)?([0-9a-f]{12,64})")

PartKind = ManifestPart.Kind


@dataclass(frozen=True)
class Period:
    """A tag stood for an image, from when to when, and what it stood for next."""

    tag: str
    since: datetime
    by: str
    until: datetime | None  # None: it still does
    next_digest: str  # empty: nothing, or the tag was removed


@dataclass(frozen=True)
class Find:
    """A manifest that is what the digest names, or that has it as a part."""

    manifest: Manifest
    role: str  # "manifest", "config", "layer" or "child"
    periods: list[Period] = field(default_factory=list)
    # The image indexes that it is a child of; tags usually stand for these.
    parents: list["Find"] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """A repository in which something with the digest is or was."""

    repository: Repository
    finds: list[Find]


@dataclass(frozen=True)
class Digest:
    digest: str
    places: list[Place]
    is_cut: bool  # there are more than MAX_MANIFESTS

    @property
    def roles(self) -> list[str]:
        """What it is, in the order in which people should read it."""
        found = {find.role for place in self.places for find in place.finds}
        return [role for role in ["manifest", "config", "child", "layer"] if role in found]


def digest_in(text: str) -> str:
    """The whole digest in what somebody pasted, such as ``alice/app@sha256:…``; else empty."""
    digest = text.strip().rpartition("@")[2].lower()
    return digest if is_digest(digest) else ""


def candidates(principal: Principal, text: str) -> list[str]:
    """The digests that begin with ``text``: twelve digits at least, with ``sha256:`` or without."""
    match = _PREFIX.fullmatch(text.strip().rpartition("@")[2].lower())
    if match is None:
        return []
    first = f"sha256:{match[1]}"
    # Between the two, an index finds them; "g" is after every digit of a digest.
    between = {"digest__gte": first, "digest__lt": first + "g"}
    visible = visible_repositories(principal)
    manifests = Manifest.objects.filter(repository__in=visible, **between)
    parts = ManifestPart.objects.filter(manifest__repository__in=visible, **between)
    found: set[str] = set()
    for rows in [manifests, parts.order_by()]:
        found |= set(rows.values_list("digest", flat=True).distinct()[:MAX_CANDIDATES])
    return sorted(found)[:MAX_CANDIDATES]


def look_up(principal: Principal, digest: str) -> Digest:
    """Everything that ``principal`` may see of ``digest``; eight queries at most."""
    roles = _roles(principal, digest)
    ids = list(roles)[:MAX_MANIFESTS]
    manifests = (
        Manifest.objects.defer(*UNSHOWN, "facts", "repository__readme")
        .select_related("repository__namespace")
        .filter(pk__in=ids)
        .order_by("-first_seen_at", "-pk")
    )
    found = list(manifests)
    parents = _parents_of(found)
    all_of_them = {manifest.pk: manifest for manifest in found}
    for some in parents.values():
        all_of_them |= {manifest.pk: manifest for manifest in some}
    periods = _periods_of(list(all_of_them.values()))
    places: dict[int, Place] = {}
    for manifest in found:
        place = places.setdefault(manifest.repository_id, Place(manifest.repository, []))
        find = Find(
            manifest,
            roles[manifest.pk],
            periods.get((manifest.repository_id, manifest.digest), []),
            [
                Find(
                    parent,
                    "manifest",
                    periods.get((parent.repository_id, parent.digest), []),
                )
                for parent in parents.get((manifest.repository_id, manifest.digest), [])
            ],
        )
        place.finds.append(find)
    return Digest(digest, list(places.values()), is_cut=len(roles) > MAX_MANIFESTS)


def _roles(principal: Principal, digest: str) -> dict[int, str]:
    """What the digest is to each manifest that has to do with it, by their primary keys."""
    visible = visible_repositories(principal)
    same = Manifest.objects.filter(digest=digest, repository__in=visible)
    roles = dict.fromkeys(same.values_list("pk", flat=True)[: MAX_MANIFESTS + 1], "manifest")
    parts = ManifestPart.objects.filter(digest=digest, manifest__repository__in=visible)
    if roles:  # the image indexes that list it are shown below it
        parts = parts.exclude(kind=PartKind.CHILD)
    rows = parts.order_by("-manifest").values_list("manifest", "kind")
    for manifest_id, kind in rows[: MAX_MANIFESTS + 1]:
        roles.setdefault(manifest_id, kind)
    return roles


def _parents_of(manifests: list[Manifest]) -> dict[tuple[int, str], list[Manifest]]:
    """The image indexes that list each of ``manifests``, by its repository and digest."""
    parts = (
        ManifestPart.objects.filter(
            kind=PartKind.CHILD,
            digest__in={manifest.digest for manifest in manifests},
            manifest__repository__in={manifest.repository_id for manifest in manifests},
        )
        .select_related("manifest")
        .defer(*(f"manifest__{name}" for name in [*UNSHOWN, "facts"]))
        .order_by("-manifest")
    )
    parents: dict[tuple[int, str], list[Manifest]] = {}
    for part in parts[:MAX_MANIFESTS]:
        key = (part.manifest.repository_id, part.digest)
        parents.setdefault(key, []).append(part.manifest)
    return parents


def _periods_of(manifests: list[Manifest]) -> dict[tuple[int, str], list[Period]]:
    """When tags stood for each of ``manifests``, newest first, by its repository and digest."""
    later = TagChange.objects.filter(
        repository=OuterRef("repository"), tag=OuterRef("tag"), at__gt=OuterRef("at")
    ).order_by("at", "pk")
    changes = (
        TagChange.objects.filter(
            digest__in={manifest.digest for manifest in manifests},
            repository__in={manifest.repository_id for manifest in manifests},
        )
        .annotate(
            until=Subquery(later.values("at")[:1]),
            next_digest=Coalesce(Subquery(later.values("digest")[:1]), Value("")),
        )
        .order_by("-at", "-pk")
    )
    periods: dict[tuple[int, str], list[Period]] = {}
    for change in changes[:MAX_PERIODS]:
        periods.setdefault((change.repository_id, change.digest), []).append(
            Period(change.tag, change.at, change.by, change.until, change.next_digest)
        )
    return periods
