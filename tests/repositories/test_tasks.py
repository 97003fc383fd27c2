"""Jobs, run by a real worker."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from repositories import tasks
from repositories.jobs import defer, defer_once
from repositories.models import Manifest, PendingWrite, Tag
from repositories.notifications import Event, record_push

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def empty_queue(transactional_db, monkeypatch):
    monkeypatch.setattr(app.periodic_registry, "periodic_tasks", {})  # only what a test asks for
    # The worker's threads go, and their connections with them.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_workers CASCADE")
    tasks._sync_after_start.cache_clear()


def work() -> None:
    """A worker that does all there is to do now, one after the other, and ends."""
    with app.replace_connector(app.connector.get_worker_connector()):
        app.run_worker(
            concurrency=1, wait=False, listen_notify=False, install_signal_handlers=False
        )


def jobs(task: str) -> list[str]:
    found = ProcrastinateJob.objects.filter(task_name=f"repositories.{task}")
    return list(found.values_list("status", flat=True))


def test_a_pushed_manifest_is_read(alices_app, fake_registry):
    digest = fake_registry.push("alice/app", "1.0")
    record_push(Event(path="alice/app", at=timezone.now(), digest=digest, tag="1.0"))
    work()
    assert Manifest.objects.get().kind == "image"
    assert jobs("read_manifest") == ["succeeded"]


def test_a_manifest_that_can_not_be_read_is_tried_again(alices_app, fake_registry):
    digest = fake_registry.push("alice/app", "1.0")
    record_push(Event(path="alice/app", at=timezone.now(), digest=digest, tag="1.0"))
    fake_registry.fault = lambda method, address: "503"
    work()
    assert jobs("read_manifest") == ["todo"]
    assert ProcrastinateJob.objects.get().scheduled_at > timezone.now()


def test_a_pending_write_is_found_by_the_worker(alice, fake_registry):
    fake_registry.push("alice/app", "1.0")
    PendingWrite.objects.create(method="PUT", path="alice/app", reference="1.0", username="alice")
    PendingWrite.objects.update(announced_at=timezone.now() - timedelta(seconds=4))
    defer("repositories.look_up_pending_writes", timestamp=0)
    work()
    assert Tag.objects.get().name == "1.0"
    assert jobs("look_up_pending_writes") == ["succeeded"]
    assert jobs("read_manifest") == ["succeeded"]


def test_the_registry_is_away(alice, fake_registry, caplog):
    PendingWrite.objects.create(method="PUT", path="alice/app", reference="1.0", username="alice")
    PendingWrite.objects.update(announced_at=timezone.now() - timedelta(seconds=4))
    fake_registry.fault = lambda method, address: "503"
    defer("repositories.look_up_pending_writes", timestamp=0)
    work()
    assert jobs("look_up_pending_writes") == ["succeeded"]
    assert PendingWrite.objects.exists()
    assert "pending writes wait for the registry" in caplog.text


def test_compares_with_the_registry_once_after_the_start(alice, fake_registry):
    fake_registry.push("alice/app", "1.0")
    for _ in range(2):
        defer("repositories.look_up_pending_writes", timestamp=0)
        work()
    assert jobs("sync_registry") == ["succeeded"]
    assert Tag.objects.get().name == "1.0"


def test_periodic_tasks_run(alice, fake_registry):
    names = ["count_pulls", "purge_events", "sync_nightly", "retry_stalled_jobs", "purge_jobs"]
    for name in names:
        defer(f"repositories.{name}", timestamp=0)
    work()
    assert [jobs(name) for name in names] == [["succeeded"]] * len(names)
    assert jobs("sync_registry") == ["succeeded"]


def test_a_job_of_a_worker_that_died_is_done_by_another(alices_app, fake_registry):
    digest = fake_registry.push("alice/app", "1.0")
    record_push(Event(path="alice/app", at=timezone.now(), digest=digest, tag="1.0"))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour')"
            " RETURNING id"
        )
        worker = cursor.fetchone()[0]
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", [worker])
    work()
    assert jobs("read_manifest") == ["doing"]

    defer("repositories.retry_stalled_jobs", timestamp=0)
    work()

    assert jobs("read_manifest") == ["succeeded"]
    assert Manifest.objects.get().kind == "image"


def test_a_dead_job_whose_like_waits_keeps_nobody_out(alices_app, fake_registry):
    """Only one job of a task may wait, so that the dead one can't: it is dropped."""
    digest = fake_registry.push("alice/app", "1.0")
    defer_once("repositories.sync_registry")
    record_push(Event(path="alice/app", at=timezone.now(), digest=digest, tag="1.0"))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour')"
            " RETURNING id"
        )
        worker = cursor.fetchone()[0]
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", [worker])
    defer_once("repositories.sync_registry")

    defer("repositories.retry_stalled_jobs", timestamp=0)
    work()

    assert jobs("sync_registry") == ["succeeded"]
    assert jobs("read_manifest") == ["succeeded"]


def test_a_job_of_a_worker_that_lives_is_left_alone(alices_app, fake_registry):
    digest = fake_registry.push("alice/app", "1.0")
    record_push(Event(path="alice/app", at=timezone.now(), digest=digest, tag="1.0"))
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
        worker = cursor.fetchone()[0]
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", [worker])
    defer("repositories.retry_stalled_jobs", timestamp=0)
    work()
    assert jobs("read_manifest") == ["doing"]


def test_a_job_goes_with_its_transaction_in_a_worker_too(db):
    with app.replace_connector(app.connector.get_worker_connector()):
        with pytest.raises(RuntimeError), transaction.atomic():
            defer("repositories.read_manifest", manifest_id=1)
            raise RuntimeError
        assert jobs("read_manifest") == []
        with transaction.atomic():
            defer_once("repositories.sync_registry")
            defer_once("repositories.sync_registry")
        assert jobs("sync_registry") == ["todo"]
