"""What the gate announced: never lost, never invented, dropped when it is old."""

from datetime import timedelta

import pytest
from django.utils import timezone

from repositories.models import Manifest, PendingWrite, Repository, Tag, TagChange
from repositories.notifications import Event, record_push
from repositories.pending_writes import look_up_due, look_up_path
from repositories.registry import RegistryUnavailable

MISSING = "sha256:" + "9" * 64


def announced(seconds_ago, reference="1.0", method="PUT", **fields):
    """A write that was announced so long ago."""
    fields = {"path": "alice/app", "username": "alice", "access_token_id": 7, **fields}
    write = PendingWrite.objects.create(method=method, reference=reference, **fields)
    write.announced_at = timezone.now() - timedelta(seconds=seconds_ago)
    write.save()
    return write


def known(digest, tag="1.0", seconds_ago=60.0):
    """A push that we were told of."""
    at = timezone.now() - timedelta(seconds=seconds_ago)
    record_push(Event(path="alice/app", at=at, digest=digest, tag=tag, actor="alice"))


def digest_of(tag):
    return Tag.objects.filter(name=tag).values_list("manifest__digest", flat=True).first()


@pytest.mark.parametrize("fault", ["timeout", "no answer", "401", "500", "somebody's 404"])
def test_an_error_decides_nothing(alices_app, fake_registry, fault):
    digest = fake_registry.push("alice/app", "1.0")
    known(digest)
    writes = [announced(20 * 60, "1.0"), announced(20 * 60, digest, "DELETE")]
    fake_registry.fault = lambda method, address: fault
    with pytest.raises(RegistryUnavailable):
        look_up_due()
    assert set(PendingWrite.objects.all()) == set(writes)
    assert digest_of("1.0") == digest
    assert Manifest.objects.get().missing_since is None


def test_a_push_that_nobody_reported(alice, fake_registry):
    digest = fake_registry.push("alice/app", "1.0")
    announced(4)
    assert look_up_due() == 1
    assert digest_of("1.0") == digest
    tag = Tag.objects.get()
    assert tag.pushed_by == "alice"
    assert TagChange.objects.get().access_token_id == 7
    assert not PendingWrite.objects.exists()


def test_a_push_by_digest_that_nobody_reported(alice, fake_registry):
    digest = fake_registry.push("alice/app")
    announced(4, digest)
    look_up_due()
    assert Manifest.objects.get().digest == digest
    assert not PendingWrite.objects.exists()


def test_a_body_that_is_still_on_its_way(alice, fake_registry):
    """The tag is what it was: no proof that the write was refused."""
    old = fake_registry.push("alice/app", "1.0", "old")
    known(old)
    write = announced(4)
    look_up_due()
    assert PendingWrite.objects.contains(write)

    new = fake_registry.push("alice/app", "1.0", "new")
    ago = [timezone.now() - timedelta(seconds=seconds) for seconds in [31, 27]]
    PendingWrite.objects.update(announced_at=ago[0], looked_up_at=ago[1])
    look_up_due()
    assert digest_of("1.0") == new
    assert not PendingWrite.objects.exists()


def test_a_write_that_was_refused_grows_old(alice, fake_registry):
    fake_registry.push("alice/other", "1")
    write = announced(4)
    asked = []
    for minutes in [0.1, 0.6, 4, 6, 14, 16]:
        at = timezone.now() - timedelta(minutes=minutes)
        looked_up_at = write.looked_up_at and at + (write.looked_up_at - write.announced_at)
        PendingWrite.objects.update(announced_at=at, looked_up_at=looked_up_at)
        asked.append(look_up_due())
        if not PendingWrite.objects.exists():
            break
        write.refresh_from_db()
    assert asked == [1, 1, 0, 1, 0, 1]
    assert not PendingWrite.objects.exists()
    assert not Repository.objects.exists()


def test_not_before_its_time(alice, fake_registry):
    announced(1)
    assert look_up_due() == 0
    assert fake_registry.asked == []


def test_after_a_long_night_it_is_looked_up_before_it_is_dropped(alice, fake_registry):
    digest = fake_registry.push("alice/app", "1.0")
    announced(9 * 3600)
    look_up_due()
    assert digest_of("1.0") == digest


def test_two_pushes_of_which_one_was_reported(alice, fake_registry):
    first = fake_registry.push("alice/app", "1.0", "first")
    announced(40)
    announced(35)
    record_push(
        Event(
            path="alice/app",
            at=timezone.now() - timedelta(seconds=38),
            digest=first,
            tag="1.0",
            actor="alice",
        )
    )
    second = fake_registry.push("alice/app", "1.0", "second")
    look_up_due()
    assert digest_of("1.0") == second
    assert [change.digest for change in TagChange.objects.order_by("at")] == [first, second]
    assert not PendingWrite.objects.exists()


def test_a_late_report_of_what_was_looked_up_changes_nothing(alice, fake_registry):
    digest = fake_registry.push("alice/app", "1.0")
    announced(4)
    look_up_due()
    known(digest, seconds_ago=3)
    assert TagChange.objects.count() == 1
    assert digest_of("1.0") == digest


def test_a_deletion_that_nobody_reported(alice, fake_registry):
    digest = fake_registry.push("alice/app", "1.0")
    known(digest)
    fake_registry.wipe()
    announced(4, digest, "DELETE")
    look_up_due()
    assert not Tag.objects.exists()
    assert Manifest.objects.get().missing_since is not None
    assert TagChange.objects.latest("at").by == "alice"
    assert not PendingWrite.objects.exists()


def test_a_deletion_that_was_refused(alice, fake_registry):
    digest = fake_registry.push("alice/app", "1.0")
    known(digest)
    write = announced(4, digest, "DELETE")
    look_up_due()
    assert digest_of("1.0") == digest
    assert PendingWrite.objects.contains(write)


def test_a_deletion_of_what_never_was(alice, fake_registry):
    announced(4, MISSING, "DELETE")
    look_up_due()
    assert not PendingWrite.objects.exists()
    assert not Repository.objects.exists()


def test_a_list_asks_at_once_but_not_again_and_again(alice, fake_registry):
    announced(0)
    look_up_path("alice/app")
    asked = len(fake_registry.asked)
    look_up_path("alice/app")
    assert asked > 0
    assert len(fake_registry.asked) == asked
    look_up_path("alice/other")
    assert len(fake_registry.asked) == asked


def test_the_real_registry(alice, real_registry):
    digest = real_registry.push("alice/app", "1.0")
    announced(4)
    announced(4, digest)
    look_up_due()
    assert digest_of("1.0") == digest
    assert not PendingWrite.objects.exists()

    real_registry.delete("alice/app", digest)
    announced(4, digest, "DELETE")
    look_up_due()
    assert digest_of("1.0") is None
    assert not PendingWrite.objects.exists()


def test_who_pulls_right_after_the_first_push_is_let_in(alice, client, fake_registry):
    fake_registry.push("alice/app", "1.0")
    announced(0)
    asked = {"service": "localhost:8080", "scope": "repository:alice/app:pull"}
    assert client.get("/token", asked).json()["scope"] == "repository:alice/app:pull"


def test_a_push_to_a_private_repository_is_not_looked_up_for_strangers(
    alices_secret, client, fake_registry
):
    fake_registry.push("alice/secret", "1.0")
    write = announced(0, path="alice/secret")
    asked = {"service": "localhost:8080", "scope": "repository:alice/secret:pull"}
    assert client.get("/token", asked).json()["scope"] == ""
    write.refresh_from_db()
    assert write.looked_up_at is None
