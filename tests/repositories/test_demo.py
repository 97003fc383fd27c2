"""The invented index holds together as one that people made."""

from collections import Counter
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Max, Sum

from accounts.models import User
from accounts.principals import NOBODY
from repositories.demo.fill import MAX_OWN_REPOSITORIES
from repositories.demo.images import digest_of
from repositories.images import read_config, read_manifest
from repositories.models import DailyPulls, Manifest, Repository, Tag, TagChange
from repositories.names import split_path
from repositories.search import search
from repositories.sync import sync_registry


def demo() -> str:
    out = StringIO()
    call_command("demo", stdout=out)
    return out.getvalue()


def test_an_index_in_use_is_left_alone(alice):
    Repository.objects.bulk_create(
        Repository(namespace=alice.namespace, name=f"app{number}")
        for number in range(MAX_OWN_REPOSITORIES + 1)
    )
    with pytest.raises(CommandError, match="in use"):
        demo()
    assert User.objects.count() == 1


def test_what_somebody_has_stays_his(debian, django_user_model):
    mei = django_user_model.objects.create_user(username="mei", password="mei-password-1")
    app = Repository.objects.create(namespace=mei.namespace, name="ffmpeg", description="Mine")
    demo()
    app.refresh_from_db()
    debian.refresh_from_db()
    mei.refresh_from_db()
    assert app.description == "Mine"
    assert list(mei.namespace.repositories.all()) == [app]
    assert mei.check_password("mei-password-1")
    assert not debian.is_demo and not app.is_demo
    assert debian.description == "The universal operating system"
    assert [person.username for person in debian.maintainers.all()] == ["carol"]


def test_an_index_to_look_at(fake_registry, db):
    output = demo()

    assert User.objects.count() == 40
    assert Repository.objects.count() == 205
    assert Repository.objects.filter(is_demo=True).count() == 205
    assert Repository.objects.filter(namespace=None).count() == 16
    assert Repository.objects.filter(is_private=True).exists()
    assert Repository.objects.filter(pushed_at=None).exists()
    assert 170 < search(NOBODY, "").total < 205
    assert search(NOBODY, "图片").items[0].path == "mei/image-resize"
    one_person_can_sign_in(output)
    repositories_are_well_formed()
    sums_agree_with_days()
    tags_agree_with_their_history()
    manifests_say_what_their_rows_say()

    # The registry has none of it, and that is no loss to report.
    assert sync_registry().missing == []
    assert not Repository.objects.exclude(missing_since=None).exists()

    assert "already" in demo()
    assert Repository.objects.count() == 205


def one_person_can_sign_in(output: str) -> None:
    words = output.split()
    username = words[words.index("as") + 1]
    password = words[words.index("password") + 1]
    assert User.objects.get(username=username).check_password(password)
    assert [user.username for user in User.objects.all() if user.has_usable_password()] == [
        username
    ]


def repositories_are_well_formed() -> None:
    for repository in Repository.objects.select_related("namespace"):
        assert split_path(repository.path)
        repository.full_clean()
        assert "$" not in repository.readme.replace("$PWD", "")


def sums_agree_with_days() -> None:
    pulls: Counter[tuple[int, str]] = Counter()
    for row in DailyPulls.objects.all():
        pulls[row.repository_id, row.tag] += row.count
    for tag in Tag.objects.all():
        assert tag.pull_count == pulls[tag.repository_id, tag.name]
    for repository in Repository.objects.annotate(total=Sum("daily_pulls__count")):
        assert repository.pull_count == (repository.total or 0)
    assert DailyPulls.objects.values("day").distinct().count() == 365


def tags_agree_with_their_history() -> None:
    changes = {
        (change.repository_id, change.tag): change for change in TagChange.objects.order_by("at")
    }
    for tag in Tag.objects.select_related("manifest"):
        newest = changes.pop((tag.repository_id, tag.name))
        assert (newest.digest, newest.at) == (tag.manifest.digest, tag.pushed_at)
    assert changes == {}
    for repository in Repository.objects.annotate(newest=Max("tags__pushed_at")):
        assert repository.pushed_at == repository.newest


def manifests_say_what_their_rows_say() -> None:
    manifests = list(Manifest.objects.prefetch_related("parts"))
    digests = {(manifest.repository_id, manifest.digest) for manifest in manifests}
    for manifest in manifests:
        content = bytes(manifest.content)
        contents = read_manifest(content, manifest.media_type)
        assert digest_of(content) == manifest.digest
        assert (contents.kind, contents.size_bytes) == (manifest.kind, manifest.size_bytes)
        assert len(contents.parts) == len(manifest.parts.all())
        if manifest.kind == Manifest.Kind.INDEX:
            assert {(manifest.repository_id, part.digest) for part in contents.parts} <= digests
        else:
            assert read_config(bytes(manifest.config)).os == manifest.os == "linux"
