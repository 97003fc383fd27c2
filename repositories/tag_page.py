"""What one tag's page tells: an image for each platform, how it was made, and what comes with it.

From rows alone: the registry isn't asked while a person waits.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from repositories.artifacts import IN_TOTO, TAG_SUFFIXES, name_of, predicate_name
from repositories.models import Manifest, ManifestPart, Tag
from repositories.tag_list import Variant, variants_of

PREFERRED_PLATFORM = "linux/amd64"
MAX_ATTACHMENTS = 100
# Where BuildKit says which image an attestation is about, and what it says.
ABOUT = "vnd.docker.reference.digest"
PREDICATE = "in-toto.io/predicate-type"

PartKind = ManifestPart.Kind


@dataclass(frozen=True)
class Step:
    """A line of an image's history, with the layer that it made, if it made one."""

    created_by: str
    digest: str = ""
    size_bytes: int | None = None


@dataclass(frozen=True)
class Image:
    """What runs on one platform."""

    manifest: Manifest
    config_digest: str
    steps: list[Step]

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = self.manifest.facts
        return facts


@dataclass(frozen=True)
class Attachment:
    """A signature, an attestation or the like: about the whole tag, or about one platform."""

    name: str
    digest: str
    about: str = ""  # a platform
    tag: str = ""  # that it is kept under, in the way of cosign
    says: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class TagPage:
    tag: Tag
    variants: list[Variant]
    chosen: Variant | None
    image: Image | None  # of ``chosen``; None while it is not read
    attachments: list[Attachment]


def tag_page_of(tag: Tag, platform: str = "") -> TagPage:
    """Seven queries at most, however many platforms, layers and attachments there are."""
    manifest = tag.manifest
    variants = variants_of([manifest])[manifest.pk]
    chosen = choose(variants, platform)
    return TagPage(
        tag,
        variants,
        chosen,
        image_of(manifest, chosen) if chosen else None,
        _attachments_of(manifest, variants),
    )


def choose(variants: list[Variant], platform: str = "") -> Variant | None:
    """The variant for ``platform``, else for the machine that most people have, else any."""
    for wanted in [platform, PREFERRED_PLATFORM]:
        for variant in variants:
            if wanted and variant.platform == wanted:
                return variant
    return variants[0] if variants else None


def image_of(manifest: Manifest, variant: Variant) -> Image | None:
    """The image behind one variant of ``manifest``: itself, or a child of it."""
    image = _manifest_of(manifest, variant)
    if image is None:
        return None
    parts = list(image.parts.all())
    config = next((part.digest for part in parts if part.kind == PartKind.CONFIG), "")
    layers = [part for part in parts if part.kind == PartKind.LAYER]
    return Image(image, config, steps_of(image.facts.get("history", []), layers))


def facts_of(manifest: Manifest, variant: Variant) -> dict[str, Any]:
    """What the image behind one variant says about itself; empty if it isn't read."""
    image = _manifest_of(manifest, variant)
    return image.facts if image else {}


def _manifest_of(manifest: Manifest, variant: Variant) -> Manifest | None:
    if variant.digest == manifest.digest:
        return manifest
    children = Manifest.objects.defer("content", "config").filter(
        repository_id=manifest.repository_id, digest=variant.digest, kind=Manifest.Kind.IMAGE
    )
    return children.first()


def steps_of(history: list[dict[str, Any]], layers: list[ManifestPart]) -> list[Step]:
    """The history with each layer beside the step that made it; lowest first."""
    if sum(not step["is_empty"] for step in history) != len(layers):
        # Squashed, or written by a tool without a history: what made which can't be known.
        return [Step(part.created_by, part.digest, part.size_bytes) for part in layers]
    waiting = iter(layers)
    steps = []
    for step in history:
        if step["is_empty"]:
            steps.append(Step(step["created_by"]))
        else:
            part = next(waiting)
            steps.append(Step(step["created_by"], part.digest, part.size_bytes))
    return steps


def _attachments_of(manifest: Manifest, variants: list[Variant]) -> list[Attachment]:
    platforms = {variant.digest: variant.platform for variant in variants}
    platforms[manifest.digest] = platforms.get(manifest.digest, "")
    found: dict[str, Attachment] = {}
    for part in _attestations_in(manifest):
        about = platforms.get(part.annotations.get(ABOUT, ""), "")
        found[part.digest] = Attachment(name_of(IN_TOTO), part.digest, about)
    repository = Manifest.objects.filter(repository_id=manifest.repository_id, missing_since=None)
    referrers = repository.filter(subject_digest__in=platforms).order_by("pk")
    for referrer in referrers.only("digest", "artifact_type", "subject_digest")[:MAX_ATTACHMENTS]:
        found[referrer.digest] = Attachment(
            name_of(referrer.artifact_type), referrer.digest, platforms[referrer.subject_digest]
        )
    for tag, suffix, about in _attachment_tags(manifest, platforms):
        attachment = Attachment(name_of(TAG_SUFFIXES[suffix]), tag.manifest.digest, about, tag.name)
        found[tag.manifest.digest] = attachment
    said = _predicates(manifest, list(found))
    return [
        Attachment(one.name, one.digest, one.about, one.tag, said[one.digest])
        for one in found.values()
    ]


def _attestations_in(manifest: Manifest) -> list[ManifestPart]:
    if manifest.kind != Manifest.Kind.INDEX:
        return []
    children = manifest.parts.filter(kind=PartKind.CHILD, is_attestation=True)
    return list(children[:MAX_ATTACHMENTS])


def _attachment_tags(manifest: Manifest, platforms: dict[str, str]) -> list[tuple[Tag, str, str]]:
    """cosign's tags about one of the digests in ``platforms``: ``sha256-….sig``."""
    names = {
        digest.replace(":", "-") + suffix: (suffix, platform)
        for digest, platform in platforms.items()
        for suffix in TAG_SUFFIXES
    }
    tags = Tag.objects.filter(repository_id=manifest.repository_id, name__in=names)
    tags = tags.select_related("manifest").only("name", "manifest__digest").order_by("name")
    return [(tag, *names[tag.name]) for tag in tags]


def _predicates(manifest: Manifest, digests: list[str]) -> defaultdict[str, list[str]]:
    """What attestations say that they say, by their digest."""
    said: defaultdict[str, list[str]] = defaultdict(list)
    if not digests:
        return said
    layers = ManifestPart.objects.filter(
        Q(annotations__has_key=PREDICATE),
        kind=PartKind.LAYER,
        manifest__repository_id=manifest.repository_id,
        manifest__digest__in=digests,
    )
    for digest, annotations in layers.values_list("manifest__digest", "annotations"):
        said[digest].append(predicate_name(annotations[PREDICATE]))
    return said
