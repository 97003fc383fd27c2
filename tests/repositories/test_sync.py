"""The sync can add and mark. It can't destroy."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import AuditEvent
from repositories import sync
from repositories.models import Manifest, Repository, Tag, TagChange
from repositories.registry import RegistryUnavailable
from repositories.sync import sync_registry


def in_step(fake_registry, tags=3):
    """An index and a registry that agree."""
    for number in range(tags):
        fake_registry.push("alice/app", f"v{number}", f"text {number}")
    fake_registry.push("alice/other", "1")
    sync_registry()
    fake_registry.asked.clear()


def all_rows():
    return [
        list(model.objects.order_by("pk").values())
        for model in [Repository, Manifest, Tag, TagChange]
    ]


def later(hours=24):
    """As if all that is marked had been marked so much earlier."""
    for model in [Tag, Manifest, Repository]:
        for row in model.objects.exclude(missing_since=None):
            row.missing_since -= timedelta(hours=hours)
            row.save(update_fields=["missing_since"])
    for tag in Tag.objects.all():
        tag.pushed_at -= timedelta(hours=hours)
        tag.save(update_fields=["pushed_at"])


FAULTS = ["timeout", "no answer", "401", "403", "500", "503", "somebody's 404"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_registry_that_fails_changes_nothing(alice, fake_registry, fault):
    in_step(fake_registry)
    before = all_rows()
    fake_registry.fault = lambda method, address: fault
    for _ in range(2):
        with pytest.raises(RegistryUnavailable):
            sync_registry()
    assert all_rows() == before


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("part", ["/tags/list", "/manifests/"])
def test_a_registry_that_fails_in_between_changes_nothing(alice, fake_registry, fault, part):
    in_step(fake_registry)
    before = all_rows()
    fake_registry.fault = lambda method, address: fault if part in address else None
    for _ in range(2):
        result = sync_registry()
        assert len(result.failures) == 2
        later()
    assert [row["missing_since"] for row in all_rows()[2]] == [None] * 4
    assert len(all_rows()[2]) == len(before[2])


def test_stops_when_the_registry_goes_away_meanwhile(alice, fake_registry):
    for number in range(8):
        fake_registry.push(f"alice/app{number}", "1")
    sync_registry()
    fake_registry.asked.clear()
    fake_registry.fault = lambda method, address: "503" if "/tags/" in address else None
    with pytest.raises(RegistryUnavailable):
        sync_registry()
    assert sum("/tags/list" in line for line in fake_registry.asked) == 5


@pytest.mark.parametrize("fault", ["half the bytes", "half the entries", "a list of numbers"])
@pytest.mark.parametrize("part", ["_catalog", "/tags/list"])
def test_half_a_page_changes_nothing(alice, fake_registry, fault, part):
    in_step(fake_registry)
    before = all_rows()
    fake_registry.fault = lambda method, address: fault if part in address else None
    for _ in range(2):
        try:
            sync_registry()
        except RegistryUnavailable:
            assert part == "_catalog"
    assert all_rows() == before


def test_an_empty_disk_removes_nothing_and_tells_staff(alice, fake_registry, caplog):
    in_step(fake_registry)
    history = list(TagChange.objects.values())
    fake_registry.wipe()
    for _ in range(3):
        result = sync_registry()
        later()
    assert (len(result.missing), result.removed, result.kept) == (4, 0, 4)
    assert Tag.objects.count() == 4
    assert Tag.objects.filter(missing_since=None).count() == 0
    assert Repository.objects.filter(missing_since=None).count() == 0
    assert list(TagChange.objects.values()) == history
    assert "4 of 4 tags are missing" in caplog.text
    assert AuditEvent.objects.filter(action="registry.sync_stopped").exists()


def test_a_disk_that_comes_back_clears_the_marks(alice, fake_registry):
    in_step(fake_registry)
    tags, manifests = dict(fake_registry.tags), dict(fake_registry.manifests)
    fake_registry.wipe()
    sync_registry()
    fake_registry.tags.update(tags)
    fake_registry.manifests.update(manifests)
    result = sync_registry()
    assert (result.added, result.missing) == (0, [])
    for model in [Tag, Manifest, Repository]:
        assert not model.objects.exclude(missing_since=None).exists()


@pytest.fixture
def one_percent(alices_app, fake_registry):
    """A hundred tags, of which the registry has lost one."""
    in_step(fake_registry, tags=0)
    digests = {f"v{n}": fake_registry.push("alice/app", f"v{n}", f"text {n}") for n in range(99)}
    manifests = {
        digest: Manifest(repository=alices_app, digest=digest) for digest in digests.values()
    }
    Manifest.objects.bulk_create(manifests.values())
    now = timezone.now()
    Tag.objects.bulk_create(
        Tag(repository=alices_app, name=name, manifest=manifests[digest], pushed_at=now)
        for name, digest in digests.items()
    )
    TagChange.objects.bulk_create(
        TagChange(repository=alices_app, tag=name, digest=digest, at=now)
        for name, digest in digests.items()
    )
    Repository.objects.filter(pk=alices_app.pk).update(pushed_at=now)
    del fake_registry.manifests["alice/app"][fake_registry.tags["alice/app"].pop("v0")]
    return Tag.objects.get(name="v0")


def test_one_sighting_only_marks(one_percent):
    assert len(sync_registry().missing) == 1
    one_percent.refresh_from_db()
    assert one_percent.missing_since is not None
    assert one_percent.manifest.missing_since is not None


def test_two_sightings_in_a_row_are_one(one_percent):
    sync_registry()
    later(hours=1)
    assert sync_registry().removed == 0
    assert Tag.objects.contains(one_percent)


def test_the_first_sighting_is_kept(one_percent):
    sync_registry()
    one_percent.refresh_from_db()
    first = one_percent.missing_since
    sync_registry()
    one_percent.refresh_from_db()
    assert one_percent.missing_since == first


def test_two_sightings_apart_remove_the_tag_alone(one_percent):
    sync_registry()
    later()
    assert sync_registry().removed == 1
    assert not Tag.objects.contains(one_percent)
    assert Tag.objects.count() == 99
    assert Manifest.objects.count() == 100
    assert TagChange.objects.filter(tag="v0").count() == 2
    assert TagChange.objects.get(tag="v0", digest="").by == ""
    assert AuditEvent.objects.filter(action="registry.sync_removed").exists()


def test_a_run_with_an_error_removes_nothing(one_percent, fake_registry):
    sync_registry()
    later()
    fake_registry.fault = lambda method, address: "500" if "other/tags" in address else None
    result = sync_registry()
    assert (result.removed, len(result.failures)) == (0, 1)
    assert Tag.objects.contains(one_percent)


def test_a_push_between_the_sightings_clears_the_mark(one_percent, fake_registry):
    sync_registry()
    later()
    fake_registry.push("alice/app", "v0", "new")
    result = sync_registry()
    assert (result.added, result.removed) == (1, 0)
    one_percent.refresh_from_db()
    assert one_percent.missing_since is None


def test_more_than_one_percent_is_for_staff_to_say(one_percent, fake_registry):
    del fake_registry.tags["alice/app"]["v1"]
    sync_registry()
    later()
    assert sync_registry().kept == 2
    output, errors = StringIO(), StringIO()
    call_command("sync_registry", stdout=output, stderr=errors)
    assert "--remove-many" in errors.getvalue()
    assert Tag.objects.count() == 100
    call_command("sync_registry", "--remove-many", stdout=output)
    assert "2 removed" in output.getvalue()
    assert Tag.objects.count() == 98


def test_adds_what_nobody_reported(alice, sam, debian, fake_registry):
    first = fake_registry.push("alice/app", "1.0", "first")
    fake_registry.push("alice/app", "2.0", "second")
    fake_registry.push("debian", "12")
    for path in ["zed/app", "nothing", "Alice/App", "a/b/c"]:  # of nobody, or none of ours
        fake_registry.tags[path] = {"1": first}
        fake_registry.manifests[path] = fake_registry.manifests["alice/app"]
    result = sync_registry()
    assert (result.added, result.failures) == (3, [])
    tags = {f"{tag.repository.path}:{tag.name}" for tag in Tag.objects.all()}
    assert tags == {"alice/app:1.0", "alice/app:2.0", "debian:12"}

    moved = fake_registry.push("alice/app", "1.0", "moved")
    assert sync_registry().added == 1
    assert Tag.objects.get(name="1.0").manifest.digest == moved
    assert sync_registry().added == 0


def test_a_tag_that_was_deleted_stays_deleted(alice, fake_registry):
    in_step(fake_registry)
    assert sync_registry().added == 0


def test_a_repository_without_an_image_is_not_missing(alices_app, fake_registry):
    sync_registry()
    alices_app.refresh_from_db()
    assert alices_app.missing_since is None


def test_a_manifest_that_stayed_unread_gets_a_new_job(alice, fake_registry):
    in_step(fake_registry, tags=1)
    manifest = Manifest.objects.first()
    Manifest.objects.exclude(pk=manifest.pk).update(kind="image")
    jobs = ProcrastinateJob.objects.filter(args__manifest_id=manifest.pk)
    assert jobs.count() == 1
    manifest.first_seen_at = timezone.now() - sync.UNREAD_FOR - timedelta(minutes=1)
    manifest.save()
    sync_registry()
    assert jobs.count() == 2


def test_the_command_says_what_is_wrong(alice, fake_registry):
    fake_registry.fault = lambda method, address: "503"
    with pytest.raises(CommandError, match="nothing was removed"):
        call_command("sync_registry")


def test_the_real_registry(alice, real_registry):
    digest = real_registry.push("alice/app", "1.0")
    real_registry.push("alice/app", "2.0", "another")
    assert sync_registry().added == 2
    result = sync_registry()
    assert (result.repositories, result.added, result.missing) == (1, 0, [])

    real_registry.delete("alice/app", digest)
    assert len(sync_registry().missing) == 1
    assert Manifest.objects.get(digest=digest).missing_since is not None
    assert Tag.objects.get(name="2.0").missing_since is None
    assert Tag.objects.count() == 2


def test_the_real_registry_gone(alice, real_registry, settings, tmp_path):
    real_registry.push("alice/app", "1.0")
    sync_registry()
    settings.REGISTRY_URL = "http://127.0.0.1:1"
    with pytest.raises(RegistryUnavailable):
        sync_registry()
    assert Tag.objects.get().missing_since is None
