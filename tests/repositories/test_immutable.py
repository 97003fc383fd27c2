"""Immutable tags: what fits a pattern, and what the gate refuses while others ask, too."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction
from django.test import Client

from accounts.principals import Principal
from repositories import registry_tokens, writers
from repositories.immutable import BadPattern, checked, is_immutable, patterns_of
from repositories.models import Deletion, GarbageCollection, PendingWrite, Repository
from tests.repositories.pushed import digest_of, push, push_index


@pytest.mark.parametrize(
    ("patterns", "tag", "fits"),
    [
        ("", "v1", False),
        ("v*", "v1.0", True),
        ("v*", "V1.0", False),
        ("v*", "dev1", False),
        ("v?", "v10", False),
        ("v[0-9]*\n\n  20??-* ", "2026-01", True),
        ("v[!0-9]*", "v1", False),
        ("latest", "latest", True),
        ("latest", "latest-1", False),
        ("v1.0", "v1x0", False),
        ("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", "a" * 128, False),
    ],
)
def test_patterns(patterns, tag, fits):
    assert is_immutable(Repository(immutable_tags=patterns), tag) == fits


@pytest.mark.parametrize("line", ["v 1", "alice/app", "v:1", "é", "v\0", "a" * 129])
def test_what_no_tag_can_fit_is_no_pattern(line):
    with pytest.raises(BadPattern):
        checked(f"v*\n{line}")


def test_patterns_count_once():
    assert patterns_of(" v* \r\n\r\nv*\n1.*") == ["v*", "1.*"]


@pytest.fixture
def releases(alices_app):
    """alice/app, whose tags v… are immutable."""
    alices_app.immutable_tags = "v*"
    alices_app.save()
    return alices_app


def ask(method, reference, user, client=None, path="alice/app"):
    grant = {"type": "repository", "name": path, "actions": ["pull", "push", "delete"]}
    token = registry_tokens.sign(Principal(user), [grant]).token
    return (client or Client()).get(
        "/gate",
        headers={
            "X-Forwarded-Method": method,
            "X-Forwarded-Uri": f"/v2/{path}/manifests/{reference}",
            "Authorization": f"Bearer {token}",
        },
    )


def message(response):
    assert response.status_code == 403
    (error,) = response.json()["errors"]
    assert error["code"] == "DENIED" and error["message"].isascii()
    return error["message"]


def test_a_written_tag_is_refused(releases, alice):
    push(releases, "v1", "latest")
    assert "alice/app:v1 is immutable" in message(ask("PUT", "v1", alice))
    assert not PendingWrite.objects.exists()
    assert ask("PUT", "latest", alice).status_code == 204
    assert ask("PUT", digest_of("an image"), alice).status_code == 204


def test_a_tag_that_is_being_written_is_refused(releases, alice):
    assert ask("PUT", "v1", alice).status_code == 204
    assert "somebody is writing it" in message(ask("PUT", "v1", alice))
    assert ask("PUT", "v2", alice).status_code == 204
    PendingWrite.objects.all().delete()  # the registry refused it, and its time is over
    assert ask("PUT", "v1", alice).status_code == 204


def test_what_the_registry_has_lost_may_come_again(releases, alice):
    push(releases, "v1")
    releases.tags.update(missing_since="2026-01-02T03:04:05Z")
    assert ask("PUT", "v1", alice).status_code == 204


@pytest.mark.parametrize("image", ["an index", "an index linux/arm64"])
def test_its_image_and_its_children_are_not_deleted(releases, alice, image):
    push_index(releases, "v1", sizes={"linux/amd64": 1, "linux/arm64": 2})
    push(releases, "edge", image="another")
    assert "alice/app:v1 is immutable" in message(ask("DELETE", digest_of(image), alice))
    assert "alice/app:v1 is immutable" in message(ask("DELETE", "v1", alice))
    assert ask("DELETE", digest_of("another"), alice).status_code == 204


def test_nothing_is_deleted_that_an_immutable_tag_may_get(releases, alice):
    push(releases, "edge")
    assert ask("PUT", "v1", alice).status_code == 204
    assert "somebody is writing it" in message(ask("DELETE", digest_of("an image"), alice))


def test_when_the_rule_is_lifted_everything_is_as_before(releases, alice):
    push(releases, "v1")
    Repository.objects.update(immutable_tags="")
    assert ask("PUT", "v1", alice).status_code == 204
    assert ask("DELETE", digest_of("an image"), alice).status_code == 204


@pytest.mark.django_db(transaction=True)
def test_of_twenty_at_once_one_writes_it(releases, alice):
    def one(_):
        try:
            return ask("PUT", "v1", alice).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = sorted(pool.map(one, range(20)))
    assert answers == [204] + [403] * 19
    assert PendingWrite.objects.count() == 1


def test_a_deletion_at_work_shuts_its_repository_alone(alices_app, alice):
    deletion = Deletion.objects.create(repository=alices_app, path="alice/app", kind="tags")
    for state in ["asked", "deleted", "wanted-back", "undone"]:
        Deletion.objects.update(state=state)
        assert ask("PUT", "1.0", alice).status_code == 204, state
    for state in ["removing", "returning"]:
        Deletion.objects.update(state=state)
        for method in ["PUT", "DELETE"]:
            assert "being deleted or given back" in message(
                ask(method, digest_of("an image"), alice)
            )
        assert ask("PUT", "1.0", alice, path="alice/other").status_code == 204
    assert deletion.path == "alice/app"


@pytest.mark.django_db(transaction=True)
def test_the_gate_does_not_wait_for_long(alices_app, alice, monkeypatch):
    monkeypatch.setattr(writers, "GATE_WAITS_MS", 50)

    def meanwhile():
        try:
            return ask("PUT", "1.0", alice)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        writers.lock_path("alice/app")
        assert "push again in a minute" in message(pool.submit(meanwhile).result())


def test_a_collection_shuts_everything(alices_app, alice, client):
    GarbageCollection.objects.create(alive_until="2026-01-02T03:04:05Z")
    for method in ["PUT", "DELETE"]:
        assert "takes no writes" in message(ask(method, digest_of("x"), alice))
    grant = {"type": "repository", "name": "alice/app", "actions": ["pull", "push"]}
    token = registry_tokens.sign(Principal(alice), [grant]).token
    upload = client.get(
        "/gate",
        headers={
            "X-Forwarded-Method": "POST",
            "X-Forwarded-Uri": "/v2/alice/app/blobs/uploads/",
            "Authorization": f"Bearer {token}",
        },
    )
    assert "takes no writes" in message(upload)
    assert not PendingWrite.objects.exists()
