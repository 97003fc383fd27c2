"""From an event to rows: once, in any order, by whom, and all or nothing."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import AuditEvent, Namespace
from repositories import manifests, notifications
from repositories.models import (
    Manifest,
    PendingWrite,
    RegistryEvent,
    Repository,
    Tag,
    TagChange,
)
from repositories.notifications import Event, record_delete, record_push
from repositories.registry import NotThere, RegistryUnavailable
from tests.repositories.registries import image_of, index_of

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ONE, TWO = ("sha256:" + digit * 64 for digit in "12")


def event(digest=ONE, *, tag="1.0", seconds=0, path="alice/app", **fields) -> Event:
    fields = {"id": uuid.uuid4(), "actor": "alice", **fields}
    return Event(path=path, digest=digest, tag=tag, at=AT + timedelta(seconds=seconds), **fields)


def digest_of(tag: str) -> str | None:
    found = Tag.objects.filter(name=tag).values_list("manifest__digest", flat=True)
    return found.first()


def history() -> list[tuple[str, str, str]]:
    changes = TagChange.objects.order_by("at", "pk")
    return [(change.tag, change.digest, change.by) for change in changes]


def pending(method="PUT", reference="1.0", **fields) -> PendingWrite:
    fields = {"path": "alice/app", "username": "alice", **fields}
    return PendingWrite.objects.create(method=method, reference=reference, **fields)


def reading_jobs(manifest: Manifest) -> int:
    return ProcrastinateJob.objects.filter(
        task_name="repositories.read_manifest", args__manifest_id=manifest.pk
    ).count()


@pytest.mark.parametrize(
    "path", ["Alice/app", "alice/app/deep", "staff", "nothing", "zed/app", "gone/app", "a" * 250]
)
def test_a_push_to_what_can_be_no_repository_is_ignored(alice, path, caplog):
    Namespace.objects.create(name="gone", user=None)
    assert not record_push(event(path=path))
    assert not Repository.objects.exists()
    assert "ignored: a push" in caplog.text


def test_the_same_event_twice_is_recorded_once(alices_app):
    push = event()
    assert record_push(push)
    assert not record_push(push)
    assert alices_app.tags.count() == 1
    assert RegistryEvent.objects.count() == 1
    assert reading_jobs(Manifest.objects.get()) == 1


def test_an_older_event_that_comes_late_does_not_set_the_tag_back(alices_app):
    record_push(event(TWO, seconds=5))
    write = pending()
    assert record_push(event(ONE, seconds=1))
    assert digest_of("1.0") == TWO
    assert history() == [("1.0", TWO, "alice")]
    # It stays, so that a look-up finds out what the tag has now.
    assert PendingWrite.objects.contains(write)
    alices_app.refresh_from_db()
    assert alices_app.pushed_at == AT + timedelta(seconds=5)


def test_an_older_push_does_not_bring_a_removed_tag_back(alices_app):
    record_push(event(ONE))
    record_delete(event("", seconds=5))
    assert record_push(event(ONE, seconds=1))
    assert digest_of("1.0") is None


def test_a_later_push_brings_a_removed_tag_back(alices_app):
    record_push(event(ONE))
    record_delete(event(ONE, tag="", seconds=5))
    assert Manifest.objects.get().missing_since == AT + timedelta(seconds=5)
    record_push(event(ONE, seconds=9))
    assert digest_of("1.0") == ONE
    assert Manifest.objects.get().missing_since is None


def test_the_first_push_makes_the_repository(alice):
    assert record_push(event())
    repository = Repository.objects.get()
    assert (repository.path, repository.is_private) == ("alice/app", False)
    assert repository.pushed_at == AT
    created = AuditEvent.objects.get(action="repository.created")
    assert (created.target, created.actor_name) == ("alice/app", "alice")


def test_first_pushes_are_private_for_who_wants_it(alice):
    alice.first_pushes_are_private = True
    alice.save()
    record_push(event())
    assert Repository.objects.get().is_private


def test_a_push_to_an_existing_repository_changes_no_visibility(alice, alices_app):
    alice.first_pushes_are_private = True
    alice.save()
    record_push(event())
    assert not Repository.objects.get().is_private


def test_a_top_level_repository(debian):
    assert record_push(event(path="debian", actor="carol"))
    assert debian.tags.get().pushed_by == "carol"


def test_the_history_of_a_tag_begins_with_its_first_push(alices_app):
    record_push(event(ONE))
    record_push(event(TWO, seconds=1))
    record_push(event(TWO, seconds=2))  # again, the same: no change
    record_push(event(ONE, seconds=3))
    record_delete(event("", seconds=4))
    assert [digest for _tag, digest, _by in history()] == [ONE, TWO, ONE, ""]


def test_by_whom_says_the_gate(alices_app):
    pending(access_token_id=7)
    record_push(event(actor=""))
    assert Tag.objects.get().pushed_by == "alice"
    assert TagChange.objects.get().access_token_id == 7


def test_settles_one_pending_write_and_the_oldest(alices_app):
    others = [pending(reference="2.0"), pending(path="alice/other"), pending("DELETE")]
    other_person = pending(username="bob")
    oldest, newer = pending(), pending()
    record_push(event())
    assert set(PendingWrite.objects.all()) == {*others, other_person, newer}
    assert not PendingWrite.objects.contains(oldest)


def test_a_push_by_digest_makes_no_tag(alices_app):
    write = pending(reference=ONE)
    assert record_push(event(tag=""))
    assert Manifest.objects.get().digest == ONE
    assert not Tag.objects.exists()
    assert not PendingWrite.objects.contains(write)


def test_deleting_one_tag_leaves_its_siblings(alices_app):
    record_push(event(tag="1.0"))
    record_push(event(tag="latest"))
    record_delete(event("", tag="1.0", seconds=1))
    assert [tag.name for tag in alices_app.tags.all()] == ["latest"]
    assert Manifest.objects.get().missing_since is None


def test_deleting_a_manifest_takes_all_its_tags_and_keeps_its_row(alices_app):
    record_push(event(tag="1.0"))
    record_push(event(tag="latest"))
    record_push(event(TWO, tag="2.0"))
    write = pending("DELETE", ONE)
    assert record_delete(event(ONE, tag="", seconds=1))
    for tag in ["1.0", "latest"]:  # the registry reports these too, after it
        record_delete(event("", tag=tag, seconds=1))
    assert [tag.name for tag in alices_app.tags.all()] == ["2.0"]
    assert Manifest.objects.get(digest=ONE).missing_since is not None
    assert not PendingWrite.objects.contains(write)
    assert history()[-2:] == [("1.0", "", "alice"), ("latest", "", "alice")]


def test_a_deletion_that_comes_late_spares_a_newer_push(alices_app):
    record_push(event(seconds=5))
    record_delete(event(ONE, tag="", seconds=1))
    assert digest_of("1.0") == ONE
    assert Manifest.objects.get().missing_since is None


def test_a_deleted_layer_is_nothing_to_us(alices_app):
    record_push(event())
    assert not record_delete(event(TWO, tag="", seconds=1))
    assert not record_delete(event(path="alice/nothing"))
    assert digest_of("1.0") == ONE


def test_all_or_nothing(alices_app, monkeypatch):
    def fail(task, **arguments):
        raise RuntimeError

    monkeypatch.setattr(notifications, "defer", fail)
    with pytest.raises(RuntimeError):
        record_push(event())
    assert not Tag.objects.exists()
    assert not RegistryEvent.objects.exists()


def at_once(function, arguments):
    """Call ``function`` for each argument at the same moment, each on a connection of its own."""
    barrier = threading.Barrier(len(arguments))

    def call(argument):
        try:
            connection.ensure_connection()
            barrier.wait(20)
            return function(argument)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(call, arguments))


@pytest.mark.django_db(transaction=True)
def test_twenty_first_pushes_at_once_make_one_repository(alice):
    pushes = [
        event(f"sha256:{number:064x}", tag=f"v{number % 5}", seconds=number) for number in range(20)
    ]
    assert all(at_once(record_push, pushes))
    repository = Repository.objects.get()
    assert repository.manifests.count() == 20
    assert {tag.name: tag.manifest.digest for tag in repository.tags.all()} == {
        f"v{number % 5}": f"sha256:{number:064x}" for number in range(15, 20)
    }
    assert repository.pushed_at == AT + timedelta(seconds=19)
    assert AuditEvent.objects.filter(action="repository.created").count() == 1


@pytest.mark.django_db(transaction=True)
def test_ten_deliveries_of_one_event_at_once_are_one(alice):
    assert sum(at_once(record_push, [event()] * 10)) == 1
    assert TagChange.objects.count() == 1
    assert reading_jobs(Manifest.objects.get()) == 1


# --- Reading the manifest -------------------------------------------------------------------


def recorded(digest: str, tag: str = "1.0") -> Manifest:
    record_push(event(digest, tag=tag))
    return Manifest.objects.get(digest=digest)


def test_an_image(alices_app, fake_registry):
    digest = fake_registry.push("alice/app", "1.0", "hello", variant="v8")
    manifest = recorded(digest)

    manifests.read(manifest.pk)

    manifest.refresh_from_db()
    assert manifest.kind == "image"
    assert bytes(manifest.content) == image_of("hello", variant="v8")[0]
    assert manifest.platform == "linux/amd64/v8"
    assert manifest.facts["cmd"] == ["/hello"]
    parts = list(manifest.parts.order_by("-kind"))
    assert [(part.kind, part.created_by) for part in parts] == [
        ("layer", "COPY hello"),
        ("config", ""),
    ]
    assert manifest.size_bytes == sum(part.size_bytes for part in parts)

    fake_registry.asked.clear()
    manifests.read(manifest.pk)  # twice is once
    assert fake_registry.asked == []
    assert manifest.parts.count() == 2


def test_an_index_has_its_children_read(alices_app, fake_registry):
    children = [image_of("one")[0], image_of("two", architecture="arm64")[0]]
    for text, architecture in [("one", "amd64"), ("two", "arm64")]:
        fake_registry.push("alice/app", text=text, architecture=architecture)
    index = recorded(fake_registry.push("alice/app", "1.0", content=index_of(*children)))

    manifests.read(index.pk)

    index.refresh_from_db()
    assert (index.kind, index.size_bytes) == ("index", None)
    assert [part.platform for part in index.parts.all()] == ["linux/amd64", "linux/arm64"]
    unread = alices_app.manifests.filter(kind="unread")
    assert unread.count() == 2
    for manifest in unread:
        assert reading_jobs(manifest) == 1
        manifests.read(manifest.pk)
    platforms = alices_app.manifests.filter(kind="image").order_by("architecture")
    assert [manifest.platform for manifest in platforms] == ["linux/amd64", "linux/arm64"]


def test_a_malformed_manifest_is_stored_as_such(alices_app, fake_registry):
    content = b'{"schemaVersion": 2, "config": {}, "layers": []}'
    manifest = recorded(fake_registry.push("alice/app", "1.0", content=content))
    manifests.read(manifest.pk)
    manifest.refresh_from_db()
    assert manifest.kind == "malformed"
    assert manifest.problem.endswith(".")
    assert bytes(manifest.content) == content


def test_a_configuration_with_what_postgresql_refuses(alices_app, fake_registry):
    digest = fake_registry.push("alice/app", "1.0", author="a\0b\ud800", os=7)
    manifest = recorded(digest)
    manifests.read(manifest.pk)
    manifest.refresh_from_db()
    assert manifest.facts["author"] == "a\N{REPLACEMENT CHARACTER}b?"


def test_the_registry_is_away_for_a_while(alices_app, fake_registry):
    manifest = recorded(fake_registry.push("alice/app", "1.0"))
    fake_registry.fault = lambda method, address: "503"
    with pytest.raises(RegistryUnavailable):
        manifests.read(manifest.pk)
    fake_registry.fault = lambda method, address: None
    stored = fake_registry.manifests.pop("alice/app")
    with pytest.raises(NotThere):
        manifests.read(manifest.pk)
    manifest.refresh_from_db()
    assert (manifest.kind, manifest.missing_since is None) == ("unread", False)

    fake_registry.manifests["alice/app"] = stored
    manifests.read(manifest.pk)
    manifest.refresh_from_db()
    assert (manifest.kind, manifest.missing_since) == ("image", None)
