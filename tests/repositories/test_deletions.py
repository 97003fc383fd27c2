"""Deleting and undoing, against the real registry: what is pulled, what is held, what is kept."""

import itertools
from datetime import timedelta

import pytest
from django.utils import timezone

from repositories import deletions, manifests
from repositories.deletions import CannotUndo, Kind, State
from repositories.models import (
    Deletion,
    HeldManifest,
    Manifest,
    PendingWrite,
    Repository,
    Tag,
    TagChange,
)
from repositories.notifications import Event, record_push
from repositories.registry import HELD_PATH, Registry
from repositories.sync import sync_registry
from tests.repositories.registries import digest_of, image_of, index_of

pytestmark = pytest.mark.django_db


class Index:
    """The real registry, and our rows as its notifications would leave them."""

    def __init__(self, registry):
        self.registry = registry

    def push(self, tag, text="hello", *, path="alice/app", content=b""):
        digest = self.registry.push(path, tag, text, content=content)
        self.seen(tag, digest, path)
        return digest

    def seen(self, tag, digest, path="alice/app", at=None):
        record_push(Event(path, at or timezone.now(), digest, tag))
        for row in Manifest.objects.filter(kind="unread"):
            manifests.read(row.pk)

    def push_index(self, tag, *texts):
        children = [image_of(text)[0] for text in texts]
        for text in texts:
            self.push("", text)
        return self.push(tag, content=index_of(*children))

    def digest(self, reference, path="alice/app"):
        """What a pull gets; None if it gets 404."""
        address = f"/v2/{path}/manifests/{reference}"
        accept = (
            "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
        )
        answer = self.registry.ask("GET", address, Accept=accept)
        assert answer.status_code in {200, 404}, answer.text
        return answer.headers["Docker-Content-Digest"] if answer.status_code == 200 else None


@pytest.fixture
def index(real_registry, alice):
    return Index(real_registry)


def app():
    return Repository.objects.at("alice/app").select_related("namespace").get()


def delete(*names):
    rows = app().tags.filter(name__in=names).values_list("name", "manifest__digest")
    return deletions.delete_tags(app(), list(rows), "alice")


def again(deletion):
    return Deletion.objects.select_related("repository__namespace").get(pk=deletion.pk)


def undo(deletion):
    deletions.undo(again(deletion), "alice")
    deletions.carry_out()
    assert again(deletion).state == State.UNDONE


def test_a_tag_goes_without_its_siblings(index):
    digest = index.push("1.0")
    index.push("latest")
    deletion = delete("1.0")
    assert [tag.name for tag in app().tags.all()] == ["latest"]
    deletions.carry_out()
    assert index.digest("1.0") is None
    assert index.digest("latest") == index.digest(digest) == digest
    assert again(deletion).state == State.DELETED

    undo(deletion)
    assert index.digest("1.0") == digest
    assert {tag.name for tag in app().tags.all()} == {"1.0", "latest"}
    changes = TagChange.objects.filter(tag="1.0").order_by("at")
    assert [change.digest for change in changes] == [digest, "", digest]


def test_an_image_goes_with_its_last_tag_and_comes_back(index):
    digest = index.push("1.0")
    index.push("other", "other")
    pushed_at = app().tags.get(name="1.0").pushed_at
    deletion = delete("1.0")
    deletions.carry_out()
    assert index.digest(digest) is None
    assert app().manifests.get(digest=digest).missing_since
    undo(deletion)
    assert index.digest("1.0") == index.digest(digest) == digest
    tag = app().tags.get(name="1.0")
    assert (tag.pushed_at, tag.manifest.missing_since) == (pushed_at, None)
    assert not HeldManifest.objects.exists()
    assert index.digest(digest, HELD_PATH) is None


def test_an_index_goes_with_what_nothing_else_needs(index):
    index.push("arm", "arm64")
    digest = index.push_index("multi", "amd64", "arm64")
    amd64, arm64 = (digest_of(image_of(text)[0]) for text in ["amd64", "arm64"])
    deletion = delete("multi")
    deletions.carry_out()
    assert index.digest(digest) is None and index.digest(amd64) is None
    assert index.digest("arm") == arm64
    undo(deletion)
    assert index.digest("multi") == digest
    assert index.digest(amd64) == amd64


def test_an_image_that_an_index_lists_stays(index):
    digest = index.push_index("multi", "amd64", "arm64")
    amd64 = index.push("amd", "amd64")
    delete("amd")
    deletions.carry_out()
    assert index.digest("amd") is None
    assert index.digest("multi") == digest and index.digest(amd64) == amd64
    assert app().manifests.get(digest=amd64).missing_since is None


def test_a_repository_goes_and_comes_back_whole(index, alices_app):
    digests = {tag: index.push(tag, tag) for tag in ["1.0", "2.0"]}
    digests["multi"] = index.push_index("multi", "amd64", "arm64")
    untagged = index.push("", "untagged")
    index.push("1.0", path="alice/other")
    deletion = deletions.delete_repository(app(), "alice")
    assert not Repository.objects.at("alice/app").exists()
    deletions.carry_out()
    assert [index.digest(reference) for reference in [*digests, untagged]] == [None] * 4
    assert index.digest("1.0", "alice/other")

    undo(deletion)
    assert {tag: index.digest(tag) for tag in digests} == digests
    assert index.digest(untagged) == untagged
    assert app().pk == alices_app.pk and app().description == "An application"
    rows = app().tags.values_list("name", "manifest__digest")
    assert dict(rows) == digests
    assert not app().manifests.exclude(missing_since=None).exists()


def test_what_nobody_has_noticed_yet_goes_with_its_repository(index):
    index.push("1.0")
    late = index.registry.push("alice/app", "late", "late")
    deletion = deletions.delete_repository(app(), "alice")
    pushed_before = deletion.asked_at - timedelta(seconds=1)
    assert not record_push(Event("alice/app", pushed_before, late, "late"))
    deletions.carry_out()
    assert index.digest("late") is None
    undo(deletion)
    assert index.digest("late") == late
    assert app().tags.get(name="late").manifest.digest == late


def test_the_sync_leaves_alone_what_is_leaving(index):
    index.push("1.0")
    index.push("2.0", "two")
    delete("1.0")
    sync_registry()
    assert [tag.name for tag in app().tags.all()] == ["2.0"]
    deletions.carry_out()
    sync_registry()
    assert [tag.name for tag in app().tags.all()] == ["2.0"]
    deletions.delete_repository(app(), "alice")
    sync_registry()
    deletions.carry_out()
    sync_registry()
    assert not Repository.objects.exists()


def test_a_tag_that_moved_after_somebody_chose_it_stays(index):
    old = index.push("1.0")
    new = index.push("1.0", "new")
    assert deletions.delete_tags(app(), [("1.0", old)], "alice") is None
    assert app().tags.get().manifest.digest == new


def test_a_push_while_it_is_put_aside_wins(index):
    index.push("1.0")
    deletion = delete("1.0")
    new = index.push("1.0", "new")
    deletions.carry_out()
    assert index.digest("1.0") == new
    assert app().tags.get().manifest.digest == new
    undo(deletion)
    assert index.digest("1.0") == new
    assert (again(deletion).kept_count, app().tags.count()) == (1, 1)


def test_the_same_image_pushed_again_meanwhile_stays(index):
    digest = index.push("1.0")
    delete("1.0")
    index.push("again")
    deletions.carry_out()
    assert index.digest("1.0") is None
    assert index.digest("again") == digest


def test_a_write_on_its_way_is_waited_for(index):
    digest = index.push("1.0")
    deletion = delete("1.0")
    write = PendingWrite.objects.create(
        method="PUT", path="alice/app", reference="other", username="alice"
    )
    deletions.carry_out()
    assert again(deletion).state == State.ASKED
    assert index.digest("1.0") == digest
    write.delete()
    deletions.carry_out()
    assert index.digest("1.0") is None


def test_undo_at_once_takes_nothing_away(index):
    digest = index.push("1.0")
    deletion = delete("1.0")
    undo(deletion)
    assert index.digest("1.0") == digest
    assert app().tags.get().name == "1.0"


def test_two_deletions_hold_the_same_image(index):
    digest = index.push("1.0")
    index.push("2.0")
    first, second = delete("1.0"), delete("2.0")
    deletions.carry_out()
    undo(first)
    deletions.carry_out()
    assert index.digest(digest, HELD_PATH) == digest
    undo(second)
    assert index.digest("2.0") == digest


def test_a_repository_made_again_is_not_lost_by_undo(index, alices_app):
    index.push("1.0")
    deletion = deletions.delete_repository(app(), "alice")
    deletions.carry_out()
    newer = index.push("1.0", "newer")
    with pytest.raises(CannotUndo) as refusal:
        deletions.undo(again(deletion), "alice")
    assert refusal.value.code == CannotUndo.PATH_IS_TAKEN
    assert index.digest("1.0") == newer
    second = deletions.delete_repository(app(), "alice")
    deletions.carry_out()
    undo(deletion)
    assert index.digest("1.0") == digest_of(image_of()[0])
    deletions.delete_repository(app(), "alice")
    deletions.carry_out()
    undo(second)
    assert index.digest("1.0") == newer


def test_tags_of_a_deleted_repository_wait_for_it(index):
    index.push("1.0")
    index.push("2.0")
    deletion = delete("1.0")
    deletions.carry_out()
    deletions.delete_repository(app(), "alice")
    with pytest.raises(CannotUndo) as refusal:
        deletions.undo(again(deletion), "alice")
    assert refusal.value.code == CannotUndo.REPOSITORY_IS_DELETED


def test_nothing_is_undone_twice_or_too_late(index):
    index.push("1.0")
    deletion = delete("1.0")
    deletions.carry_out()
    undo(deletion)
    with pytest.raises(CannotUndo):
        deletions.undo(again(deletion), "alice")


def test_after_seven_days_nothing_is_held(index):
    digest = index.push("1.0")
    index.push("kept", "kept")
    tags = delete("1.0")
    deletions.carry_out()
    whole = deletions.delete_repository(app(), "alice")
    deletions.carry_out()
    assert index.digest(digest, HELD_PATH) == digest
    assert deletions.purge() == 0
    Deletion.objects.update(removed_at=timezone.now() - timedelta(days=7, minutes=1))
    assert deletions.purge() == 2
    assert index.digest(digest, HELD_PATH) is None
    assert not Deletion.objects.filter(pk__in=[tags.pk, whole.pk]).exists()
    assert not Repository.everything.exists() and not Tag.everything.exists()


def test_many_tags_go_together(index, monkeypatch):
    monkeypatch.setattr(deletions, "TAGS_IN_A_STEP", 4)
    digest = index.push("kept")
    for number in range(10):
        index.registry.push("alice/app", f"t{number}")
        record_push(Event("alice/app", timezone.now(), digest, f"t{number}"))
    deletion = delete(*(f"t{number}" for number in range(10)))
    assert deletion.kind == Kind.TAGS and deletion.tag_count == 10
    deletions.carry_out()
    assert index.digest("t7") is None and index.digest("t9") is None
    assert index.digest("kept") == digest
    undo(deletion)
    assert index.digest("t7") == digest
    assert app().tags.count() == 11


class Killed(BaseException):
    """What a worker sees of SIGKILL: nothing is done after it, and no transaction committed."""


@pytest.fixture
def killed_at(monkeypatch):
    """``killed_at(n)``: the worker dies just after the registry's n-th change. Whether it did."""
    send = Registry._send

    def run(number):
        changes = itertools.count(1)

        def send_and_die(self, *args, **kwargs):
            answer = send(self, *args, **kwargs)
            if next(changes) == number:
                raise Killed
            return answer

        monkeypatch.setattr(Registry, "_send", send_and_die)
        try:
            deletions.carry_out()
        except Killed:
            return True
        finally:
            monkeypatch.setattr(Registry, "_send", send)
        return False

    return run


def test_killed_after_any_step_it_goes_on(index, killed_at):
    """Nothing that is shown is ever missing, and both ways end where they should."""
    # One after the other would be thorough, and take half a minute: every second step does.
    for number in itertools.count(1, 2):
        digest = index.push_index("multi", "amd64", "arm64")
        one, amd64 = index.push("1.0"), index.push("amd", "amd64")
        deletion = delete("multi", "1.0")
        was_killed = killed_at(number)
        assert index.digest("amd") == amd64
        deletions.carry_out()
        assert index.digest("multi") is None and index.digest("1.0") is None
        assert index.digest(digest) is None and index.digest(one) is None

        deletions.undo(again(deletion), "alice")
        was_killed |= killed_at(number)
        shown = dict(app().tags.values_list("name", "manifest__digest"))
        assert {tag: index.digest(tag) for tag in shown} == shown
        deletions.carry_out()
        assert again(deletion).state == State.UNDONE
        shown = dict(app().tags.values_list("name", "manifest__digest"))
        assert shown == {"multi": digest, "1.0": one, "amd": amd64}
        assert {tag: index.digest(tag) for tag in shown} == shown
        if not was_killed:
            break
    assert number > 12


def test_undone_in_the_middle_of_removal(index, killed_at):
    for number in itertools.count(1):
        digests = {tag: index.push(tag, tag) for tag in ["1.0", "2.0"]}
        index.push("latest", "1.0")
        deletion = delete("1.0", "2.0")
        was_killed = killed_at(number)
        undo(deletion)
        shown = dict(app().tags.values_list("name", "manifest__digest"))
        assert shown == {**digests, "latest": digests["1.0"]}
        assert {tag: index.digest(tag) for tag in shown} == shown
        if not was_killed:
            break
    assert number > 8
