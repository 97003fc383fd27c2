"""/r/alice/app/tags/1.0/history: what a tag was, and putting it back."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from repositories import manifests
from repositories.images import OCI_INDEX, OCI_MANIFEST
from repositories.models import Manifest, PendingWrite, Repository, Tag, TagChange
from repositories.notifications import Event, record_delete, record_push
from tests.repositories.pushed import digest_of
from tests.repositories.registries import index_of
from tests.repositories.test_repository_page import text_of

HISTORY = "/r/alice/app/tags/1.0/history"


def pushed(name: str, *, hours_ago: float, by: str = "alice", digest: str = "") -> str:
    """Let the tag 1.0 stand for another image; its digest."""
    digest = digest or digest_of(name)
    at = timezone.now() - timedelta(hours=hours_ago)
    record_push(Event("alice/app", at, digest, "1.0", actor=by))
    Manifest.objects.filter(digest=digest, kind="unread").update(kind="image")
    return digest


def removed(*, hours_ago: float) -> None:
    at = timezone.now() - timedelta(hours=hours_ago)
    record_delete(Event("alice/app", at, tag="1.0", actor="alice"))


def periods_of(response) -> list[tuple[str, str]]:
    return [(period.digest, period.change.by) for period in response.context["history"].periods]


def test_tells_what_the_tag_stood_for_from_when_to_when_by_whom(client, alices_app):
    first = pushed("first", hours_ago=9)
    removed(hours_ago=5)
    second = pushed("second", hours_ago=3, by="bob")
    response = client.get(HISTORY)
    assert periods_of(response) == [(second, "bob"), ("", "alice"), (first, "alice")]
    periods = response.context["history"].periods
    assert periods[0].until is None
    assert [period.until for period in periods[1:]] == [
        periods[0].change.at,
        periods[1].change.at,
    ]
    page = text_of(response)
    assert "none: it was removed" in page
    assert (
        '<form method="post"'
        not in page.partition('<div id="repository">')[2].partition("<footer")[0]
    )


def test_outlives_the_tag(client, alices_app):
    first = pushed("first", hours_ago=9)
    removed(hours_ago=5)
    assert client.get("/r/alice/app/tags/1.0").headers["Location"] == HISTORY
    response = client.get(HISTORY)
    assert periods_of(response) == [("", "alice"), (first, "alice")]
    assert "This tag is not there now" in text_of(response)


def test_goes_on_where_a_page_ended(client, alices_app, django_assert_num_queries):
    digests = [pushed(f"{number}", hours_ago=200 - number) for number in range(70)][::-1]
    first = client.get(HISTORY)
    assert [digest for digest, _by in periods_of(first)] == digests[:50]
    older = first.context["history"].older
    # Repository; changes at all; tags counted; is it there; the change to go on from; changes;
    # their manifests.
    with django_assert_num_queries(7):
        second = client.get(HISTORY, {"before": older})
    assert [digest for digest, _by in periods_of(second)] == digests[50:]
    last = first.context["history"].periods[-1]
    assert second.context["history"].periods[0].until == last.change.at
    for wrong in ["x", "-1", "9" * 40, "\0", "²"]:
        assert periods_of(client.get(HISTORY, {"before": wrong})) == periods_of(first)


class TestPuttingBack:
    @pytest.fixture
    def there(self, alice, real_registry, client):
        """alice/app in a real registry, whose 1.0 was one image and is another; both digests."""
        digests = []
        for hours_ago, text in [(9, "old"), (2, "new")]:
            digest = real_registry.push("alice/app", "1.0", text)
            pushed("", hours_ago=hours_ago, digest=digest)
            Manifest.objects.filter(digest=digest).update(kind="unread")
            manifests.read(Manifest.objects.get(digest=digest).pk)
            digests.append(digest)
        client.force_login(alice)
        return digests

    def digest_in(self, registry) -> str:
        answer = registry.ask("HEAD", "/v2/alice/app/manifests/1.0", Accept=OCI_MANIFEST)
        return answer.headers["Docker-Content-Digest"]

    def test_is_for_those_who_may_push(self, client, alices_app, bob):
        first = pushed("first", hours_ago=9)
        pushed("second", hours_ago=3)
        assert client.post(HISTORY, {"digest": first}).status_code == 403
        client.force_login(bob)
        assert client.post(HISTORY, {"digest": first}).status_code == 403
        assert PendingWrite.objects.count() == 0

    @pytest.mark.parametrize("digest", ["", "x", "\0", digest_of("never"), digest_of("elsewhere")])
    def test_takes_only_what_the_tag_stood_for(self, client, alice, alices_app, digest):
        pushed("first", hours_ago=9)
        record_push(Event("alice/app", timezone.now(), digest_of("elsewhere"), "other"))
        Manifest.objects.update(kind="image")
        client.force_login(alice)
        assert client.post(HISTORY, {"digest": digest}).status_code == 404

    def test_moves_the_tag_in_the_registry_and_on_the_page(self, client, there, real_registry):
        old, new = there
        assert self.digest_in(real_registry) == new
        assert "Put back" in text_of(client.get(HISTORY))

        response = client.post(HISTORY, {"digest": old}, follow=True)
        assert f"1.0 is {old[:19]} again" in text_of(response)
        assert self.digest_in(real_registry) == old
        assert periods_of(response) == [(old, "alice"), (new, "alice"), (old, "alice")]
        tag = Tag.objects.get(name="1.0")
        assert (tag.manifest.digest, tag.pushed_by) == (old, "alice")
        assert PendingWrite.objects.count() == 0
        audited = AuditEvent.objects.get(action="tag.put_back")
        assert (audited.target, audited.actor_name) == ("alice/app:1.0", "alice")
        assert audited.details == {"digest": old}

    def test_brings_a_removed_tag_back(self, client, there, real_registry):
        old, new = there
        real_registry.delete("alice/app", new)
        removed(hours_ago=1)
        client.post(HISTORY, {"digest": old})
        assert self.digest_in(real_registry) == old
        assert Tag.objects.get(name="1.0").manifest.digest == old

    def test_of_an_index_whose_children_are_lost_is_refused(self, client, there, real_registry):
        content = index_of(b'{"a": 1}', b'{"b": 2}')
        index = Manifest.objects.create(
            repository=Repository.objects.get(),
            digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
            kind="index",
            content=content,
            media_type=OCI_INDEX,
        )
        old = index.digest
        at = timezone.now() - timedelta(hours=5)
        TagChange.objects.create(repository=index.repository, tag="1.0", digest=old, at=at)
        response = client.post(HISTORY, {"digest": old}, follow=True)
        assert "The registry has lost a part of this image" in text_of(response)
        assert self.digest_in(real_registry) == there[1]
        assert TagChange.objects.filter(digest=old).count() == 1
        assert not AuditEvent.objects.filter(action="tag.put_back").exists()

    def test_without_a_registry_changes_nothing(self, client, there, settings):
        settings.REGISTRY_URL = "http://127.0.0.1:9"
        response = client.post(HISTORY, {"digest": there[0]}, follow=True)
        assert "The registry does not answer" in text_of(response)
        assert Tag.objects.get(name="1.0").manifest.digest == there[1]

    def test_is_not_offered_where_it_can_not_be(self, client, there):
        old, _new = there
        assert text_of(client.get(HISTORY)).count("</svg>Put back</button>") == 1
        Manifest.objects.filter(digest=old).update(missing_since=timezone.now())
        assert "</svg>Put back</button>" not in text_of(client.get(HISTORY))
