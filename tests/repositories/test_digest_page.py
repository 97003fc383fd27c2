"""/digest: what somebody has in front of him, and where it came from."""

from datetime import timedelta

import pytest
from django.utils import timezone

from repositories.models import Manifest, ManifestPart
from repositories.notifications import Event, record_delete, record_push
from tests.repositories.pushed import digest_of, push
from tests.repositories.test_repository_page import text_of


def pushed(path: str, tag: str, image: str, *, hours_ago: float) -> Manifest:
    """An image with a configuration and two layers, the lower of them everybody's."""
    digest = digest_of(image)
    record_push(
        Event(path, timezone.now() - timedelta(hours=hours_ago), digest, tag, actor="alice")
    )
    manifest = Manifest.objects.get(repository__name=path.rpartition("/")[2], digest=digest)
    if manifest.kind == "unread":
        Manifest.objects.filter(pk=manifest.pk).update(
            kind="image", os="linux", architecture="amd64"
        )
        for kind, position, name in [
            ("config", 0, f"{image} config"),
            ("layer", 0, "everybody's base"),
            ("layer", 1, f"{image} layer"),
        ]:
            ManifestPart.objects.create(
                manifest=manifest,
                kind=kind,
                position=position,
                digest=digest_of(name),
                size_bytes=1,
            )
    return manifest


def indexed(path: str, tag: str, children: list[Manifest], *, hours_ago: float) -> Manifest:
    record_push(Event(path, timezone.now() - timedelta(hours=hours_ago), digest_of(tag), tag))
    index = Manifest.objects.get(digest=digest_of(tag))
    Manifest.objects.filter(pk=index.pk).update(kind="index")
    for position, child in enumerate(children):
        ManifestPart.objects.create(
            manifest=index, kind="child", position=position, digest=child.digest, size_bytes=1
        )
    return index


def page_of(client, digest: str):
    return client.get(f"/digest/{digest}")


def tags_of(response) -> list[tuple[str, str, str, bool]]:
    """Repository, what it is there, tag, and whether that still stands for it."""
    return [
        (place.repository.path, find.role, period.tag, period.until is None)
        for place in response.context["found"].places
        for find in place.finds
        for period in find.periods
    ]


def test_a_private_one_looks_as_if_nobody_had_ever_seen_it(client, alice, alices_secret, bob):
    manifest = pushed("alice/secret", "1.0", "secret", hours_ago=2)
    parts = list(manifest.parts.values_list("digest", flat=True))
    client.force_login(bob)
    for digest in [manifest.digest, *parts]:
        private = page_of(client, digest)
        unknown = page_of(client, digest_of("nothing"))
        assert private.status_code == unknown.status_code == 404
        hidden = text_of(private).replace(digest, "").replace(digest[:19], "")
        assert hidden == text_of(unknown).replace(digest_of("nothing"), "").replace(
            digest_of("nothing")[:19], ""
        )
        assert digest not in text_of(client.get("/digest", {"q": digest[:19]})).replace(
            digest[:19], ""
        )

    client.force_login(alice)
    for digest in [manifest.digest, *parts]:
        assert "alice/<wbr><strong>secret" in text_of(page_of(client, digest))


def test_of_what_several_have_shows_only_what_one_may_see(client, alices_app, alices_secret, bob):
    pushed("alice/app", "1.0", "web", hours_ago=3)
    pushed("alice/secret", "2.0", "web", hours_ago=2)
    client.force_login(bob)
    for digest in [digest_of("web"), digest_of("web config"), digest_of("everybody's base")]:
        response = page_of(client, digest)
        assert [path for path, *_rest in tags_of(response)] == ["alice/app"]
        assert "secret" not in text_of(response)


def test_tells_from_when_to_when_and_what_replaced_it(client, alices_app):
    pushed("alice/app", "latest", "old", hours_ago=9)
    pushed("alice/app", "1.0", "old", hours_ago=9)
    pushed("alice/app", "latest", "new", hours_ago=5)
    pushed("alice/app", "gone", "old", hours_ago=4)
    record_delete(Event("alice/app", timezone.now() - timedelta(hours=3), tag="gone"))
    pushed("alice/app", "latest", "newest", hours_ago=2)
    response = page_of(client, digest_of("old"))
    (place,) = response.context["found"].places
    (find,) = place.finds
    assert [(period.tag, period.until is None, period.next_digest) for period in find.periods] == [
        ("gone", False, ""),
        ("1.0", True, ""),
        ("latest", False, digest_of("new")),
    ]
    page = text_of(response)
    assert "The manifest of an image for linux/amd64" in page
    assert "the tag was removed" in page
    assert f"/digest/{digest_of('new')}" in page and digest_of("newest") not in page


ROLES = {
    "manifest": ("web", "The manifest of an image for linux/amd64"),
    "config": ("web config", "what docker shows as its image id"),
    "layer": ("web layer", "A layer"),
}


@pytest.mark.parametrize(("what", "sentence"), ROLES.values(), ids=ROLES)
def test_says_what_it_is(client, alices_app, what, sentence):
    pushed("alice/app", "1.0", "web", hours_ago=9)
    assert sentence in text_of(page_of(client, digest_of(what)))


def test_of_one_platform_or_its_layer_leads_to_the_tags_of_the_index(client, alices_app):
    child = pushed("alice/app", "", "web", hours_ago=9)
    index = indexed("alice/app", "1.0", [child], hours_ago=8)
    for digest in [child.digest, digest_of("web layer"), digest_of("web config")]:
        response = page_of(client, digest)
        (find,) = response.context["found"].places[0].finds
        (parent,) = find.parents
        assert parent.manifest.digest == index.digest
        assert [period.tag for period in parent.periods] == ["1.0"]
        assert ">1.0</a>" in text_of(response)


def test_a_child_that_nobody_has_read_is_known_by_its_index(client, alices_app):
    ghost = Manifest(digest=digest_of("ghost"))
    indexed("alice/app", "1.0", [ghost], hours_ago=8)
    response = page_of(client, ghost.digest)
    assert tags_of(response) == [("alice/app", "child", "1.0", True)]


class TestTheBox:
    @pytest.mark.parametrize(
        "text",
        [
            digest_of("web"),
            f" {digest_of('web')} ",
            f"alice/app@{digest_of('web')}",
            f"localhost:8080/alice/app:1.0@{digest_of('web').upper()}",
        ],
    )
    def test_takes_whatever_has_a_digest_at_its_end(self, client, db, text):
        for address in ["/digest", "/search"]:
            response = client.get(address, {"q": text})
            assert response.headers["Location"] == f"/digest/{digest_of('web')}"

    @pytest.mark.parametrize("beginning", [12, 19, 40])
    @pytest.mark.parametrize("what", ["web", "web config"])
    def test_finds_by_the_beginning_that_docker_prints(self, client, alices_app, beginning, what):
        pushed("alice/app", "1.0", "web", hours_ago=9)
        digest = digest_of(what)
        hexadecimal = digest.removeprefix("sha256:")
        for text in [hexadecimal[:beginning], f"sha256:{hexadecimal[:beginning]}"]:
            response = client.get("/digest", {"q": text})
            assert response.headers["Location"] == f"/digest/{digest}"

    def test_offers_a_choice_where_several_begin_so(self, client, alices_app):
        for last in "ab":
            ManifestPart.objects.create(
                manifest=push(alices_app, image=last),
                kind="layer",
                position=0,
                digest=f"sha256:{'0' * 63}{last}",
                size_bytes=1,
            )
        page = text_of(client.get("/digest", {"q": "0" * 12}))
        assert f"/digest/sha256:{'0' * 63}a" in page and f"/digest/sha256:{'0' * 63}b" in page

    @pytest.mark.parametrize(
        "text", ["", "x", "0" * 11, "0" * 65, "sha512:" + "0" * 128, "\0", "'"]
    )
    def test_answers_what_can_be_none(self, client, db, text):
        response = client.get("/digest", {"q": text})
        assert response.status_code == 200
        assert ("Not known here" in text_of(response)) == bool(text)

    def test_an_address_that_is_no_digest_leads_to_the_box(self, client, db):
        response = client.get("/digest/a&b=c")
        assert response.headers["Location"] == "/digest?q=a%26b%3Dc"


def test_costs_the_same_queries_for_many_places(
    client, alice, alices_app, django_assert_num_queries
):
    for number in range(12):
        child = pushed(f"alice/app{number}", "", f"{number}", hours_ago=9)
        indexed(f"alice/app{number}", f"v{number}", [child], hours_ago=8)
    # As what: a manifest, a part; manifests with their repositories; indexes; tags.
    with django_assert_num_queries(5):
        response = page_of(client, digest_of("everybody's base"))
    assert len(response.context["found"].places) == 12
