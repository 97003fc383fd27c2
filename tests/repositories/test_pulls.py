"""One pull counts once, whichever client, however often its events come."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from repositories import pulls
from repositories.models import DailyPulls, Manifest, RegistryEvent, Repository, Tag
from repositories.notifications import Event
from repositories.pulls import count_pulls, purge_events, record_pull

AT = datetime(2026, 3, 4, 12, 0, 50, tzinfo=UTC)
INDEX, CHILD, OTHER = ("sha256:" + digit * 64 for digit in "123")


def pull(seconds: float, tag: str = "", digest: str = INDEX, **fields) -> Event:
    fields = {"path": "alice/app", "actor": "bob", "address": "10.0.0.1", **fields}
    at = AT + timedelta(seconds=seconds)
    return Event(id=uuid.uuid4(), at=at, tag=tag, digest=digest, **fields)


def happen(*events: Event) -> None:
    for event in events:
        record_pull(event)
    # Long enough ago to be counted.
    RegistryEvent.objects.update(received_at=timezone.now() - timedelta(minutes=1))


def counts(repository) -> dict[str, int]:
    """By tag; the sum and the tags' own numbers must agree with the daily rows."""
    repository.refresh_from_db()
    daily = {row.tag: row.count for row in repository.daily_pulls.all()}
    assert repository.pull_count == sum(daily.values())
    for tag in repository.tags.all():
        assert tag.pull_count == daily.get(tag.name, 0)
    return daily


@pytest.fixture
def app(alices_app):
    manifest = Manifest.objects.create(repository=alices_app, digest=INDEX)
    for name in ["1.0", "latest"]:
        Tag.objects.create(repository=alices_app, name=name, manifest=manifest, pushed_at=AT)
    return alices_app


CASES = {
    "docker: index by tag, then the child": (
        [pull(0, "1.0"), pull(0.2, digest=CHILD)],
        {"1.0": 1},
    ),
    "containerd: HEAD by tag, then by digest, then the child": (
        [pull(0, "1.0"), pull(0.1), pull(0.2, digest=CHILD)],
        {"1.0": 1},
    ),
    "HEAD and GET by tag": ([pull(0, "1.0"), pull(0.1, "1.0")], {"1.0": 1}),
    "by digest: index, then child": ([pull(0), pull(0.2, digest=CHILD)], {"": 1}),
    "by digest, over the full minute": ([pull(9.9), pull(10.1, digest=CHILD)], {"": 1}),
    "two tags": ([pull(0, "1.0"), pull(1, "latest")], {"1.0": 1, "latest": 1}),
    "again, a minute later": ([pull(0, "1.0"), pull(61, "1.0")], {"1.0": 2}),
    "a script that never stops": (
        [pull(seconds, "1.0") for seconds in range(0, 180, 10)],
        {"1.0": 3},
    ),
    "two people": ([pull(0, "1.0"), pull(1, "1.0", actor="carol")], {"1.0": 2}),
    "two machines": ([pull(0, "1.0"), pull(1, "1.0", address="10.0.0.2")], {"1.0": 2}),
    "by digest, then by tag": ([pull(0), pull(5, "1.0")], {"": 1, "1.0": 1}),
    "with its signature": (
        [
            pull(0, "1.0"),
            pull(0.1, "sha256-" + "1" * 64 + ".sig", digest=OTHER),
            pull(0.2),
        ],
        {"1.0": 1},
    ),
    "by digest, with its signature": (
        [pull(0, "sha256-" + "1" * 64 + ".sig", digest=OTHER), pull(0.2)],
        {"": 1},
    ),
}


@pytest.mark.parametrize(("events", "expected"), CASES.values(), ids=CASES)
def test_counts(app, events, expected):
    happen(*events)
    count_pulls()
    assert counts(app) == expected


@pytest.mark.parametrize(("events", "expected"), CASES.values(), ids=CASES)
def test_counts_the_same_when_each_event_is_counted_for_itself(app, events, expected):
    for event in events:
        happen(event)
        count_pulls()
    assert counts(app) == expected


def test_counting_twice_changes_nothing(app):
    events = [pull(0, "1.0"), pull(0.1)]
    happen(*events)
    assert count_pulls() == 2
    happen(*events)  # delivered again
    assert count_pulls() == 0
    assert counts(app) == {"1.0": 1}


def test_an_event_that_comes_late_is_not_counted_again(app):
    first, second = pull(0, "1.0"), pull(0.1)
    happen(second)
    count_pulls()
    happen(first)
    count_pulls()
    assert sum(counts(app).values()) == 1


def test_waits_a_moment_for_events_out_of_order(app):
    record_pull(pull(0, "1.0"))
    assert count_pulls() == 0
    assert counts(app) == {}


def test_in_batches(app, monkeypatch):
    monkeypatch.setattr(pulls, "BATCH", 2)
    happen(*[pull(number * 61, "1.0") for number in range(5)])
    assert count_pulls() == 5
    assert counts(app) == {"1.0": 5}


def test_days_are_those_of_utc(app):
    happen(pull(0, "1.0"), pull(12 * 3600, "1.0"))
    count_pulls()
    assert {row.day: row.count for row in DailyPulls.objects.all()} == {
        date(2026, 3, 4): 1,
        date(2026, 3, 5): 1,
    }


def test_what_is_gone_is_not_counted(app):
    happen(pull(0, "1.0", path="alice/gone"), pull(0, "1.0", path="debian"), pull(0, "gone"))
    assert count_pulls() == 3
    assert counts(app) == {"gone": 1}


def test_top_level_and_user_repositories_of_one_name(app, debian, alice):
    happen(pull(0, "1", path="debian"), pull(0, "1.0"))
    count_pulls()
    assert counts(app) == {"1.0": 1}
    assert counts(debian) == {"1": 1}


def test_old_events_are_forgotten(app, monkeypatch):
    monkeypatch.setattr(pulls, "PURGED_AT_ONCE", 2)
    happen(*[pull(number) for number in range(5)])
    assert purge_events() == 0
    RegistryEvent.objects.update(received_at=timezone.now() - timedelta(days=3))
    record_pull(pull(9))
    assert purge_events() == 5
    assert RegistryEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_that_count_at_once_count_once(app):
    happen(*[pull(number * 61, "1.0") for number in range(50)])
    barrier = threading.Barrier(4)

    def count(_number):
        try:
            connection.ensure_connection()
            barrier.wait(20)
            return count_pulls()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(count, range(4))) == 50
    assert counts(app) == {"1.0": 50}


@pytest.mark.django_db(transaction=True)
def test_a_pull_waits_for_nobody(app):
    """Neither for a push that holds the repository's row, nor for the one that counts."""
    done = threading.Event()

    def report():
        try:
            record_pull(pull(0, "1.0"))
            done.set()
        finally:
            connections.close_all()

    with transaction.atomic():
        list(Repository.objects.select_for_update())
        list(Tag.objects.select_for_update())
        assert pulls._may_count()
        thread = threading.Thread(target=report)
        thread.start()
        assert done.wait(10)
    thread.join()
