"""Freeing space: what the collector takes, and that the gate is shut while it may."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from repositories import deletions, garbage, writers
from repositories.garbage import CollectionFailed, Collector
from repositories.models import Deletion, GarbageCollection, PendingWrite, Repository
from tests.repositories.registries import digest_of, image_of, index_of
from tests.repositories.test_deletions import Index

pytestmark = pytest.mark.django_db


@pytest.fixture
def index(real_registry, alice):
    return Index(real_registry)


@pytest.fixture
def collector(real_registry, tmp_path):
    program = Path(os.environ.get("REGISTRY_BIN") or "docker-registry")
    return Collector(program, tmp_path / "registry.yml", tmp_path / "images")


def test_what_was_deleted_is_kept_until_nobody_may_undo_it(index, collector):
    digest = index.push("1.0", "a layer that is large enough to be seen")
    kept = index.push_index("multi", "amd64", "arm64")
    repository = Repository.objects.at("alice/app").get()
    deletions.delete_tags(repository, [("1.0", digest)], "alice")
    deletions.carry_out()
    collector.remove(collector.find(), lambda: None)
    deletions.undo(Deletion.objects.get(), "alice")
    deletions.carry_out()
    assert index.digest("1.0") == digest

    deletions.delete_tags(repository, [("1.0", digest)], "alice")
    deletions.carry_out()
    Deletion.objects.update(
        removed_at=timezone.now() - timedelta(days=8),
        undone_at=timezone.now() - timedelta(days=8),
    )
    assert deletions.purge() == 2
    layer = digest_of(b"a layer that is large enough to be seen").removeprefix("sha256:")
    found = collector.find()
    assert found.sizes[layer] == len("a layer that is large enough to be seen")
    freed = collector.remove(found, lambda: None)
    assert digest.removeprefix("sha256:") in freed.sizes
    assert freed.size_bytes >= found.sizes[layer]
    assert not collector.find().sizes
    assert index.digest("multi") == kept
    for text in ["amd64", "arm64"]:
        manifest, blobs = image_of(text)
        assert index.digest(digest_of(manifest))
        for blob in blobs:
            assert index.registry.ask("HEAD", f"/v2/alice/app/blobs/{blob}").status_code == 200


def test_a_dry_run_removes_nothing(index, collector):
    index.registry.delete("alice/app", index.push("1.0"))
    first = collector.find()
    assert len(first.sizes) == 3
    assert collector.find() == first


def test_a_collector_that_fails_says_why(tmp_path, collector):
    broken = Collector(collector.program, tmp_path / "missing.yml", collector.storage)
    with pytest.raises(CollectionFailed, match=r"missing\.yml"):
        broken.find()


def test_one_at_a_time(db):
    collection = garbage.begin()
    with pytest.raises(CollectionFailed, match="another collection runs"):
        garbage.begin()
    garbage.end(collection)
    garbage.end(garbage.begin())


def test_our_own_jobs_wait_until_it_is_over(index):
    digest = index.push("1.0")
    deletions.delete_tags(Repository.objects.get(), [("1.0", digest)], "alice")
    collection = garbage.begin()
    with pytest.raises(writers.Closed):
        writers.enter()
    deletions.carry_out()
    assert index.digest("1.0") == digest
    garbage.end(collection)
    deletions.carry_out()
    assert index.digest("1.0") is None


def test_who_was_taken_for_dead_stops(db):
    collection = garbage.begin()
    GarbageCollection.objects.update(ended_at=timezone.now(), problem="killed")
    with pytest.raises(CollectionFailed, match="taken for dead"):
        garbage.keep_alive(collection)
    garbage.end(collection)
    assert GarbageCollection.objects.get().problem == "killed"


def test_a_dead_collection_is_ended_and_a_living_one_is_not(db, settings):
    settings.REGISTRY_URL = "http://registry.example.com:5000"  # nothing of ours to restart
    garbage.begin()
    garbage.end_dead_collections()
    assert GarbageCollection.objects.running().exists()
    GarbageCollection.objects.update(alive_until=timezone.now() - timedelta(seconds=1))
    garbage.end_dead_collections()
    assert not GarbageCollection.objects.running().exists()
    assert GarbageCollection.objects.last_freed() is None


def test_the_gate_stays_shut_while_the_registry_can_not_be_restarted(db, settings, tmp_path):
    settings.RUN_DIR = tmp_path
    garbage.begin()
    GarbageCollection.objects.update(alive_until=timezone.now() - timedelta(seconds=1))
    with pytest.raises(CollectionFailed, match="can't be restarted"):
        garbage.end_dead_collections()
    assert GarbageCollection.objects.running().exists()


def test_a_write_that_was_let_through_is_waited_for(index):
    digest = index.push("1.0")
    PendingWrite.objects.create(method="PUT", path="alice/app", reference=digest, username="alice")
    collection = garbage.begin()
    garbage.wait_for_writes(collection, None, print)
    assert not PendingWrite.objects.exists()


def test_an_upload_that_grows_is_seen(index, collector):
    assert not collector.has_uploads()
    start = index.registry.ask("POST", "/v2/alice/app/blobs/uploads/")
    location = start.headers["Location"]
    assert index.registry.ask("PATCH", location, content=b"half").status_code == 202
    assert collector.has_uploads()


def test_children_of_an_index_survive(index, collector):
    children = [image_of(text)[0] for text in ["amd64", "arm64"]]
    for text in ["amd64", "arm64"]:
        index.registry.push("alice/app", "", text)
    index.registry.push("alice/app", "multi", content=index_of(*children))
    assert not collector.find().sizes
