"""Fill a new index with people, repositories, images and a year of pulls.

Everything is invented and comes out the same each time, but for the day that it ends on. Only
rows are made: the registry holds no bytes of these images.
"""

import tomllib
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from math import exp
from pathlib import Path
from random import Random
from string import Template
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Model

from accounts import audit
from accounts.models import AuditEvent, Namespace, User
from repositories.demo.history import Release, pulls_by_day, rebuilds_of, releases_of
from repositories.demo.images import Image, Layers, Recipe, layers_of
from repositories.images import ImageFacts, read_config, read_manifest
from repositories.models import DailyPulls, Manifest, ManifestPart, Repository, Tag, TagChange

FOLDER = Path(__file__).parent
SEED = "gantry"
AUDITED_AS = "demo.filled"
# A new index may hold a few first tries. One that is in use gets no invented people.
MAX_OWN_REPOSITORIES = 20
BATCH = 2000

PRIVATE_SHARE = 0.06
EMPTY_SHARE = 0.04
MAX_PULLS_A_DAY = 700
# Below this, a repository's pulls are all of one tag: fewer rows, and just as true.
MIN_PULLS_A_DAY_TO_SPLIT = 20
# They write for their own group.
LABS = {"geo-lab", "klara", "magnus", "physics-club", "uni-it"}


@dataclass
class Rows:
    """What is inserted, each kind at once, in an order that foreign keys allow."""

    repositories: list[Repository] = field(default_factory=list)
    manifests: list[Manifest] = field(default_factory=list)
    parts: list[ManifestPart] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)
    changes: list[TagChange] = field(default_factory=list)
    pulls: list[DailyPulls] = field(default_factory=list)


def is_filled() -> bool:
    return AuditEvent.objects.filter(action=AUDITED_AS).exists()


def is_in_use() -> bool:
    """Whether people work with this index, so that invented ones would be in their way."""
    return Repository.objects.count() > MAX_OWN_REPOSITORIES


@transaction.atomic
def fill(now: datetime) -> list[User]:
    """Make everything or nothing; the people who were made.

    Names that somebody has already are left out, with what would have been theirs.
    """
    catalog = tomllib.loads((FOLDER / "catalog.toml").read_text())
    random, rows = Random(SEED), Rows()  # noqa: S311
    namespaces = _make_people(catalog["people"], now, random)
    bases = _add_top_level(rows, catalog["top_level"], now, random)
    recipes = {stack: Recipe(**recipe) for stack, recipe in catalog["recipes"].items()}
    for owner, name, stack, language, description in catalog["projects"]:
        recipe = recipes[stack]
        if owner in namespaces:
            repository = Repository(
                namespace=namespaces[owner], name=name, description=description, created_at=now
            )
            releases = releases_of(repository.path, recipe, bases[recipe.base], now, random)
            _describe(repository, _readme_name(repository, stack, language), recipe, releases)
            _add_project(rows, repository, releases, now.date(), random)
    _insert(rows)
    _name_maintainers(catalog["top_level"])
    audit.record(None, AUDITED_AS, settings.SITE_HOST, repositories=len(rows.repositories))
    return [namespace.user for namespace in namespaces.values() if namespace.user]


def _make_people(people: list[list[str]], now: datetime, random: Random) -> dict[str, Namespace]:
    """Namespaces by name. Nobody can sign in as them until somebody sets a password."""
    taken = set(Namespace.objects.values_list("name", flat=True))
    users = [
        User(
            username=username,
            name=name,
            bio=bio,
            password=make_password(None),
            date_joined=now - timedelta(days=random.randint(720, 1400)),
        )
        for username, name, bio in people
        if username not in taken
    ]
    User.objects.bulk_create(users)
    namespaces = [
        Namespace(name=user.username, user=user, created_at=user.date_joined) for user in users
    ]
    return {namespace.name: namespace for namespace in Namespace.objects.bulk_create(namespaces)}


def _add_top_level(
    rows: Rows, entries: list[list[Any]], now: datetime, random: Random
) -> dict[str, Layers]:
    """The layers of each, for others to be built on, whether or not it could be made."""
    taken = set(Repository.objects.filter(namespace=None).values_list("name", flat=True))
    bases = {}
    for name, description, megabytes, port, versions, maintainers in entries:
        steps = (f"ADD {name}.tar.gz /", "COPY certificates/ /usr/local/share/ca-certificates/")
        recipe = Recipe("", steps, megabytes, (name if port else "/bin/sh",), port)
        bases[name] = layers_of(name, steps, megabytes)
        if name in taken:
            continue
        repository = Repository(name=name, description=description)
        releases = rebuilds_of(name, versions.split(), recipe, maintainers.split()[0], now)
        _describe(repository, "server" if port else "base", recipe, releases)
        _add_pushes(rows, repository, releases)
        repository.created_at = now - timedelta(days=random.randint(500, 900))
        _add_pulls(rows, repository, releases, now.date(), random.uniform(200, 4000), random)
        rows.repositories.append(repository)
    return bases


def _add_project(
    rows: Rows, repository: Repository, releases: list[Release], today: date, random: Random
) -> None:
    """A few are private, and a few have nothing pushed to them yet."""
    chance = random.random()
    repository.is_private = chance < PRIVATE_SHARE
    a_day = min(exp(random.gauss(0.2, 1.9)), MAX_PULLS_A_DAY)
    if chance < 1 - EMPTY_SHARE:
        _add_pushes(rows, repository, releases)
        _add_pulls(
            rows, repository, releases, today, 0.4 if repository.is_private else a_day, random
        )
    rows.repositories.append(repository)


def _add_pushes(rows: Rows, repository: Repository, releases: list[Release]) -> None:
    tags: dict[str, Tag] = {}
    for release in releases:
        manifest = _add_manifest(rows, repository, release.image, release.at)
        for name in release.tags:
            tags[name] = Tag(
                repository=repository,
                name=name,
                manifest=manifest,
                pushed_at=release.at,
                pushed_by=release.by,
            )
            rows.changes.append(
                TagChange(
                    repository=repository,
                    tag=name,
                    digest=manifest.digest,
                    at=release.at,
                    by=release.by,
                )
            )
    rows.tags += tags.values()
    repository.created_at, repository.pushed_at = releases[0].at, releases[-1].at


def _add_manifest(rows: Rows, repository: Repository, image: Image, at: datetime) -> Manifest:
    for child in image.children:
        _add_manifest(rows, repository, child, at)
    contents = read_manifest(image.content, image.media_type)
    facts = read_config(image.config) if image.config else ImageFacts()
    manifest = Manifest(
        repository=repository,
        digest=image.digest,
        kind=contents.kind,
        media_type=contents.media_type,
        content=image.content,
        config=image.config,
        facts=asdict(facts) if image.config else {},
        size_bytes=contents.size_bytes,
        os=facts.os,
        architecture=facts.architecture,
        variant=facts.variant,
        first_seen_at=at,
    )
    rows.manifests.append(manifest)
    positions: Counter[str] = Counter()
    for part in contents.parts:
        position = positions[part.kind]
        positions[part.kind] += 1
        rows.parts.append(
            ManifestPart(
                manifest=manifest,
                kind=part.kind,
                position=position,
                digest=part.digest,
                media_type=part.media_type,
                size_bytes=part.size_bytes,
                platform=part.platform,
                created_by=facts.layer_steps[position] if part.kind == "layer" else "",
            )
        )
    return manifest


def _add_pulls(
    rows: Rows,
    repository: Repository,
    releases: list[Release],
    today: date,
    a_day: float,
    random: Random,
) -> None:
    """Daily rows, and the sums of them that tags and repositories carry."""
    by_tag: Counter[str] = Counter()
    pulls = pulls_by_day(repository.created_at.date(), today, a_day, random)
    for day, count in pulls.items():
        for tag, part in _split(count, day, releases, a_day).items():
            rows.pulls.append(DailyPulls(repository=repository, tag=tag, day=day, count=part))
            by_tag[tag] += part
    repository.pull_count = by_tag.total()
    for row in rows.tags:
        if row.repository is repository:
            row.pull_count = by_tag[row.name]


def _split(count: int, day: date, releases: list[Release], a_day: float) -> dict[str, int]:
    """A day's pulls over tags: most ask for the latest, careful ones for a version or a digest."""
    known = [release for release in releases if release.at.date() <= day]
    if a_day < MIN_PULLS_A_DAY_TO_SPLIT or not known:
        return {"latest": count}
    by_version, by_digest = count * 3 // 10, count // 10
    split = {
        "latest": count - by_version - by_digest,
        known[-1].tags[0]: by_version,
        "": by_digest,
    }
    return {tag: part for tag, part in split.items() if part}


def _readme_name(repository: Repository, stack: str, language: str) -> str:
    """Which of the texts in readmes/ fits; empty if the owner has written none."""
    is_tool = stack in {"alpine", "debian"}
    if not repository.description:
        return ""
    if language == "zh":
        return "zh-tool" if is_tool else "zh-service"
    if language == "ja":
        return "ja-service"
    if repository.path.partition("/")[0] in LABS:
        return "lab"
    if repository.path.startswith(("paul/", "quentin/")):
        return "short"
    return {"ml": "model", "static": "site"}.get(stack, "tool" if is_tool else "service")


def _describe(
    repository: Repository, readme_name: str, recipe: Recipe, releases: list[Release]
) -> None:
    if readme_name:
        template = Template((FOLDER / "readmes" / f"{readme_name}.md").read_text())
        repository.readme = template.substitute(
            name=repository.name,
            about=repository.description.rstrip("."),
            image=f"{settings.SITE_HOST}/{repository.path}",
            port=recipe.port or 8080,
            version=releases[-1].tags[0],
        )


def _insert(rows: Rows) -> None:
    kinds: list[tuple[type[Model], list[Any]]] = [
        (Repository, rows.repositories),
        (Manifest, rows.manifests),
        (ManifestPart, rows.parts),
        (Tag, rows.tags),
        (TagChange, rows.changes),
        (DailyPulls, rows.pulls),
    ]
    for repository in rows.repositories:
        repository.is_demo = True
    for model, objects in kinds:
        model._default_manager.bulk_create(objects, batch_size=BATCH)


def _name_maintainers(entries: list[list[Any]]) -> None:
    for name, *_rest, maintainers in entries:
        repository = Repository.objects.get(namespace=None, name=name)
        if not repository.maintainers.exists():
            repository.maintainers.set(User.objects.filter(username__in=maintainers.split()))
