"""Pulls: taken down as they come, counted a little later.

A pull is an insert and nothing else, so that pulls never wait for each other. What counts as
one pull is decided here, from several events: docker asks for a tag and then for a digest,
containerd sends HEAD for the tag and then GET for the digest, and an image index is followed by
the child for the platform.
"""

from bisect import bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from repositories.models import RegistryEvent, Repository, Tag
from repositories.names import is_attachment_tag
from repositories.notifications import Event

# Whatever one client asks of one repository within it is one pull (of each tag that it names).
WINDOW = timedelta(minutes=1)
# Events of one pull may come out of order; each waits this long for those before it.
GRACE = timedelta(seconds=5)
BATCH = 5000
# Far longer than the registry repeats an event that it got no answer for.
KEPT = timedelta(days=2)
PURGED_AT_ONCE = 10_000
# Any number, the same in each process: PostgreSQL's advisory lock for the one that counts.
COUNTING = 20261124


def record_pull(event: Event) -> None:
    """Take a pull down. One that is known already is left alone."""
    row = RegistryEvent(**event.fields(RegistryEvent.Action.PULL))
    RegistryEvent.objects.bulk_create([row], ignore_conflicts=True)


def count_pulls() -> int:
    """Decide about the events that wait, and add up. How many events were decided.

    In one transaction, so that it may die anywhere; one at a time, so that two can't both find
    that theirs is the first of a pull.
    """
    decided = 0
    while True:
        with transaction.atomic():
            if not _may_count():
                return decided
            size = _count_batch()
        decided += size
        if size < BATCH:
            return decided


def purge_events() -> int:
    """Forget events that nobody will ask for any more. How many."""
    old = RegistryEvent.objects.filter(received_at__lt=timezone.now() - KEPT)
    purged = 0
    while True:
        # In portions: one long statement would hold up the vacuum of the whole table.
        ids = list(old.values_list("pk", flat=True)[:PURGED_AT_ONCE])
        RegistryEvent.objects.filter(pk__in=ids).delete()
        purged += len(ids)
        if len(ids) < PURGED_AT_ONCE:
            return purged


def _may_count() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [COUNTING])
        return bool(cursor.fetchone()[0])


def _count_batch() -> int:
    waiting = RegistryEvent.objects.filter(
        action=RegistryEvent.Action.PULL, counts=None, received_at__lte=timezone.now() - GRACE
    )
    batch = list(waiting.order_by("happened_at", "pk").values_list("pk", flat=True)[:BATCH])
    decided = [
        event for events in _by_client(batch) for event in _decide(events, waiting=set(batch))
    ]
    RegistryEvent.objects.bulk_update(decided, ["counts"], batch_size=1000)
    _add_up([event for event in decided if event.counts])
    return len(batch)


def _by_client(batch: list[UUID]) -> Iterable[list[RegistryEvent]]:
    """The events of ``batch`` and those around them, by client and repository, in order of time."""
    events = RegistryEvent.objects.raw(
        """
        WITH span AS (
            SELECT path, actor, address,
                   min(happened_at) - %(window)s AS start, max(happened_at) + %(window)s AS stop
            FROM repositories_registryevent WHERE id = ANY(%(batch)s)
            GROUP BY path, actor, address
        )
        SELECT event.* FROM span JOIN repositories_registryevent event
            ON event.path = span.path AND event.actor = span.actor
            AND event.address = span.address
            AND event.happened_at BETWEEN span.start AND span.stop
        WHERE event.action = 'pull' ORDER BY event.happened_at, event.id
        """,
        {"window": WINDOW, "batch": batch},
    )
    groups: dict[tuple[str, str, str], list[RegistryEvent]] = defaultdict(list)
    for event in events:
        groups[event.path, event.actor, event.address].append(event)
    return groups.values()


def _decide(events: list[RegistryEvent], *, waiting: set[UUID]) -> list[RegistryEvent]:
    """Say of each of ``waiting`` whether it counts, given what one client did around it."""
    tagged = [event.happened_at for event in events if _names_an_image(event)]
    counted: dict[str, list[datetime]] = defaultdict(list)
    for event in events:
        if event.counts:
            counted[event.tag].append(event.happened_at)
    decided = [event for event in events if event.pk in waiting]
    for event in decided:
        event.counts = _counts(event, tagged, counted)
        if event.counts:
            insort(counted[event.tag], event.happened_at)
    return decided


def _counts(
    event: RegistryEvent, tagged: list[datetime], counted: dict[str, list[datetime]]
) -> bool:
    at = event.happened_at
    if _any_between(counted[event.tag], at - WINDOW, at + WINDOW):
        return False
    if not event.tag:  # by digest: usually the second half of a pull by tag
        return not _any_between(tagged, at - WINDOW, at)
    # Should the second half have been counted already, since this one came late.
    is_late = _any_between(counted[""], at, at + WINDOW)
    return _names_an_image(event) and not is_late


def _names_an_image(event: RegistryEvent) -> bool:
    """Whether a tag is asked for that is there for people, and not for a signature."""
    return bool(event.tag) and not is_attachment_tag(event.tag)


def _any_between(times: list[datetime], start: datetime, end: datetime) -> bool:
    """Whether one of ``times``, which are in order, is after ``start`` and not after ``end``."""
    position = bisect_right(times, start)
    return position < len(times) and times[position] <= end


def _add_up(events: list[RegistryEvent]) -> None:
    """Add pulls to their day, tag and repository, in the order in which pushes lock rows."""
    repositories = _repositories_at({event.path for event in events})
    days: Counter[tuple[int, str, date]] = Counter()
    for event in events:
        if event.path in repositories:
            day = event.happened_at.astimezone(UTC).date()
            days[repositories[event.path], event.tag, day] += 1
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO repositories_dailypulls AS daily (repository_id, tag, day, count)
            VALUES (%s, %s, %s, %s)
            ON CONFLICT (repository_id, tag, day) DO UPDATE SET count = daily.count + excluded.count
            """,
            [(*key, count) for key, count in sorted(days.items())],
        )
    tags: Counter[tuple[int, str]] = Counter()
    totals: Counter[int] = Counter()
    for (repository_id, tag, _day), count in days.items():
        tags[repository_id, tag] += count
        totals[repository_id] += count
    for (repository_id, tag), count in sorted(tags.items()):
        Tag.objects.filter(repository_id=repository_id, name=tag).update(
            pull_count=F("pull_count") + count
        )
    for repository_id, count in sorted(totals.items()):
        Repository.objects.filter(pk=repository_id).update(pull_count=F("pull_count") + count)


def _repositories_at(paths: set[str]) -> dict[str, int]:
    """Ids of the repositories at ``paths``; one that is gone by now is left out."""
    candidates = Repository.objects.select_related("namespace").filter(
        name__in={path.rpartition("/")[2] for path in paths}
    )
    return {repository.path: repository.pk for repository in candidates if repository.path in paths}
