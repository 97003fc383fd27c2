"""Invented histories: what was released when, and how often it was pulled on which day. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random

from repositories.demo.images import Image, Layers, Recipe, image, image_index, layers_of

DAYS_OF_PULLS = 365
PLATFORMS = ["linux/amd64", "linux/arm64"]
TOP_LEVEL_PLATFORMS = ["linux/amd64", "linux/arm64", "linux/arm/v7"]
REBUILDS = 2  # of a top-level version, a month apart: the page shows that a tag has moved
# Monday first. Machines pull on working days, since people give them work then.
WEEKDAYS = [1.15, 1.2, 1.2, 1.15, 1.0, 0.55, 0.5]


@dataclass(frozen=True)
class Release:
    """A manifest that was pushed, and the tags that it got."""

    image: Image
    tags: tuple[str, ...]
    at: datetime
    by: str


def releases_of(
    path: str, recipe: Recipe, base: Layers, now: datetime, random: Random
) -> list[Release]:
    """One to nine releases of a project, oldest first. The newest is ``latest``."""
    count = random.randint(1, 9)
    platforms = PLATFORMS[: random.choice([1, 1, 2])]
    at = now - timedelta(days=random.randint(30, 700), minutes=random.randint(0, 1440))
    pause = (now - at) / count
    major, minor, patch = random.choice([0, 0, 1, 1, 2, 3]), random.randint(0, 4), 0
    releases = []
    for _ in range(count):
        version = f"{major}.{minor}.{patch}"
        built = _build(path, version, platforms, recipe, base, at)
        releases.append(Release(built, (version, "latest"), at, by=path.partition("/")[0]))
        minor, patch = random.choice([(minor, patch + 1), (minor + 1, 0)])
        at += pause * random.triangular(0.4, 1.1, 1)
        if at > now:
            break
    return releases


def rebuilds_of(
    name: str, versions: list[str], recipe: Recipe, maintainer: str, now: datetime
) -> list[Release]:
    """Each version of a top-level repository, rebuilt each month. The last one is ``latest``."""
    releases = []
    for number in range(REBUILDS):
        at = now - timedelta(days=4 + 30 * (REBUILDS - 1 - number))
        for version in versions:
            at += timedelta(minutes=7)
            base = layers_of(f"{name} {version} {at.date()}", recipe.steps, recipe.megabytes)
            tags = (version, "latest") if version == versions[-1] else (version,)
            no_steps = Recipe(recipe.base, (), 0, recipe.command, recipe.port)
            built = _build(name, version, TOP_LEVEL_PLATFORMS, no_steps, base, at)
            releases.append(Release(built, tags, at, maintainer))
    return releases


def pulls_by_day(first: date, today: date, a_day: float, random: Random) -> dict[date, int]:
    """Pulls of each day that had any, of the last year at most, around ``a_day`` on average."""
    trend = random.uniform(-0.4, 1.2)  # what came on top until today, as a share
    start = max(first, today - timedelta(days=DAYS_OF_PULLS - 1))
    pulls = {}
    for number in range((today - start).days + 1):
        day = start + timedelta(days=number)
        expected = a_day * WEEKDAYS[day.weekday()] * (1 + trend * number / DAYS_OF_PULLS)
        count = int(max(random.gauss(expected, expected**0.5 + expected * 0.1), 0) + 0.5)
        if count:
            pulls[day] = count
    return pulls


def _build(
    path: str, version: str, platforms: list[str], recipe: Recipe, base: Layers, at: datetime
) -> Image:
    labels = {"org.opencontainers.image.title": path, "org.opencontainers.image.version": version}
    images = {}
    for platform in platforms:
        own = layers_of(f"{path} {version} {platform}", recipe.steps, recipe.megabytes)
        layers = (*(layer.on(platform) for layer in base), *own)
        images[platform] = image(
            platform, layers, at, recipe.command, port=recipe.port, labels=labels
        )
    return image_index(images) if len(images) > 1 else images[platforms[0]]
