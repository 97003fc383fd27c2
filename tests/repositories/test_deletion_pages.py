"""The pages that delete, deprecate and make immutable; and the one from which it is undone."""

import re

import pytest

from accounts.models import AuditEvent
from repositories import deletions
from repositories.models import Collaborator, Deletion, GarbageCollection, Repository, Tag
from tests.repositories.pushed import digest_of, push, push_index

NOW = "2026-01-02T03:04:05Z"


@pytest.fixture
def as_alice(client, alice):
    client.force_login(alice)
    return client


def text_of(response):
    assert response.status_code == 200, response.content
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


PAGES = ["delete", "delete-tags", "settings", "tags/1.0/manage"]


@pytest.mark.parametrize("page", PAGES)
def test_strangers_reach_none_of_it(client, alices_app, alices_secret, bob, page):
    push(alices_app, "1.0")
    for path in ["/r/alice/app", "/r/alice/secret"]:
        assert client.get(f"{path}/{page}").status_code == 302
    client.force_login(bob)
    assert client.get(f"/r/alice/app/{page}").status_code == 403
    assert client.post(f"/r/alice/app/{page}", {"path": "alice/app"}).status_code == 403
    assert client.get(f"/r/alice/secret/{page}").status_code == 404
    assert Repository.objects.count() == 2 and not Deletion.objects.exists()


def test_a_collaborator_deletes_tags_and_never_the_repository(client, alices_app, bob):
    Collaborator.objects.create(
        repository=alices_app, user=bob, level="admin", accepted_at=NOW, invited_by="alice"
    )
    push(alices_app, "1.0")
    client.force_login(bob)
    assert client.get("/r/alice/app/delete-tags").status_code == 200
    assert client.post("/r/alice/app/delete", {"path": "alice/app"}).status_code == 403
    assert "Delete this repository" not in text_of(client.get("/r/alice/app/settings"))


def test_staff_delete_nothing_of_maintainers(client, debian, sam):
    push(debian, "12")
    client.force_login(sam)
    assert client.get("/_/debian/delete-tags").status_code == 403
    assert client.get("/_/debian/delete").status_code == 403


def test_the_name_must_be_typed(as_alice, alices_app):
    for typed in ["", "app", "alice/App", "alice/other"]:
        page = as_alice.post("/r/alice/app/delete", {"path": typed})
        assert page.status_code == 200
    assert "Type alice/app to delete it" in text_of(page)
    assert Repository.objects.exists()
    page = as_alice.post("/r/alice/app/delete", {"path": " alice/app "}, follow=True)
    assert page.redirect_chain == [("/deleted", 302)]
    assert "alice/app the whole repository" in text_of(page)
    assert as_alice.get("/r/alice/app").status_code == 404
    assert AuditEvent.objects.filter(action="repository.deleted", target="alice/app").exists()


def test_a_tag_says_what_becomes_of_its_image(as_alice, alices_app):
    push(alices_app, "1.0", "latest")
    push(alices_app, "old", image="old")
    assert "stays as latest" in text_of(as_alice.get("/r/alice/app/delete-tags?tag=1.0"))
    page = text_of(as_alice.get("/r/alice/app/delete-tags?tag=old"))
    assert "goes with its last tag" in page
    values = [f"1.0@{digest_of('an image')}"]
    page = as_alice.post("/r/alice/app/delete-tags?tag=1.0", {"tag": values}, follow=True)
    assert "alice/app:1.0" in text_of(page)
    assert sorted(tag.name for tag in alices_app.tags.all()) == ["latest", "old"]
    assert as_alice.get("/r/alice/app/tags/1.0").status_code in {302, 404}
    event = AuditEvent.objects.get(action="tags.deleted")
    assert event.details == {"tags": ["1.0"], "count": 1}


def test_many_by_a_pattern(as_alice, alices_app):
    for number in range(3):
        push(alices_app, f"nightly-{number}", image=f"{number}")
    push(alices_app, "1.0", "my-nightly-1", image="kept")
    page = as_alice.get("/r/alice/app/delete-tags?filter=nightly-*")
    values = re.findall(r'name="tag" [^>]*value="([^"]+)"', page.content.decode())
    assert [value.partition("@")[0] for value in values] == [f"nightly-{n}" for n in range(3)]
    as_alice.post("/r/alice/app/delete-tags?filter=nightly-*", {"tag": values[:2]})
    assert set(alices_app.tags.values_list("name", flat=True)) == {
        "nightly-2",
        "1.0",
        "my-nightly-1",
    }
    assert "No tag like this" in text_of(as_alice.get("/r/alice/app/delete-tags?filter=(.*"))


def test_an_image_with_all_its_tags(as_alice, alices_app):
    push(alices_app, "1.0", "latest")
    digest = digest_of("an image")
    page = as_alice.get(f"/r/alice/app/delete-tags?digest={digest}")
    assert "goes with all its tags" in text_of(page)
    values = [f"{name}@{digest}" for name in ["1.0", "latest"]]
    as_alice.post("/r/alice/app/delete-tags", {"tag": values, "image": digest})
    deletion = Deletion.objects.get()
    assert (deletion.kind, deletion.reference, deletion.tag_count) == ("image", digest, 2)


def test_an_image_says_which_index_keeps_it(as_alice, alices_app):
    push_index(alices_app, "multi", sizes={"linux/amd64": 1, "linux/arm64": 2})
    digest = digest_of("an index linux/amd64")
    page = text_of(as_alice.get(f"/r/alice/app/delete-tags?digest={digest}"))
    assert "The image index of multi lists this image" in page


def test_what_moved_since_stays(as_alice, alices_app):
    push(alices_app, "1.0")
    page = as_alice.post(
        "/r/alice/app/delete-tags?tag=1.0", {"tag": f"1.0@{digest_of('older')}"}, follow=True
    )
    assert "Nothing was deleted" in text_of(page)
    assert alices_app.tags.exists()


@pytest.mark.parametrize("value", ["", "1.0", "@", "1.0@sha256:0", "a b@" + digest_of("an image")])
def test_what_is_no_choice_deletes_nothing(as_alice, alices_app, value):
    push(alices_app, "1.0")
    as_alice.post("/r/alice/app/delete-tags", {"tag": value, "image": value})
    assert not Deletion.objects.exists()


def test_an_immutable_tag_is_deleted_when_its_rule_is_lifted(as_alice, alices_app):
    push(alices_app, "v1", "latest")
    settings = {"form": "immutable", "immutable_tags": "v*\r\nv*\r\n"}
    as_alice.post("/r/alice/app/settings", settings)
    assert Repository.objects.get().immutable_tags == "v*"
    value = f"v1@{digest_of('an image')}"
    assert "disabled" in as_alice.get("/r/alice/app/delete-tags?tag=v1").content.decode()
    page = as_alice.post("/r/alice/app/delete-tags", {"tag": value}, follow=True)
    assert "Immutable, so not deleted: v1" in text_of(page)
    assert alices_app.tags.count() == 2
    as_alice.post("/r/alice/app/settings", {"form": "immutable", "immutable_tags": ""})
    as_alice.post("/r/alice/app/delete-tags", {"tag": value})
    assert alices_app.tags.get().name == "latest"


def test_a_pattern_that_no_tag_fits_is_refused(as_alice, alices_app):
    for patterns in ["v 1", "\n".join(f"v{number}*" for number in range(21))]:
        sent = {"form": "immutable", "immutable_tags": patterns}
        assert as_alice.post("/r/alice/app/settings", sent).status_code == 200
    assert Repository.objects.get().immutable_tags == ""


def test_undo_is_for_whom_it_belonged_to(client, alices_app, alice, bob, carol):
    push(alices_app, "1.0")
    deletion = deletions.delete_repository(alices_app, "alice")
    for user in [bob, carol]:
        client.force_login(user)
        assert "alice/app" not in text_of(client.get("/deleted"))
        assert client.post(f"/deleted/{deletion.pk}/undo").status_code == 404
    client.force_login(alice)
    assert client.get(f"/deleted/{deletion.pk}/undo").status_code == 405
    page = client.post(f"/deleted/{deletion.pk}/undo", follow=True)
    assert "on its way back" in text_of(page)
    assert client.get("/r/alice/app").status_code == 200
    assert AuditEvent.objects.filter(action="deletion.undone").exists()


def test_undo_of_tags_is_for_who_may_delete(client, alices_app, bob):
    push(alices_app, "1.0")
    deletion = deletions.delete_tags(alices_app, [("1.0", digest_of("an image"))], "alice")
    let_in = Collaborator.objects.create(
        repository=alices_app, user=bob, level="push", accepted_at=NOW, invited_by="alice"
    )
    client.force_login(bob)
    assert client.post(f"/deleted/{deletion.pk}/undo").status_code == 404
    let_in.level = "admin"
    let_in.save()
    assert client.post(f"/deleted/{deletion.pk}/undo").status_code == 302
    assert Deletion.objects.get().state == "wanted-back"


def test_a_maintainer_undoes_at_the_top_level(client, debian, carol, sam):
    deletion = deletions.delete_repository(debian, "carol")
    client.force_login(sam)
    assert client.post(f"/deleted/{deletion.pk}/undo").status_code == 404
    client.force_login(carol)
    assert "debian" in text_of(client.get("/deleted"))
    assert client.post(f"/deleted/{deletion.pk}/undo").status_code == 302
    assert Repository.objects.at("debian").exists()


def test_undo_says_why_not(as_alice, alices_app, alice):
    deletion = deletions.delete_repository(alices_app, "alice")
    Repository.objects.create(namespace=alice.namespace, name="app")
    page = as_alice.post(f"/deleted/{deletion.pk}/undo", follow=True)
    assert "There is a newer alice/app" in text_of(page)
    assert Deletion.objects.get().state == "asked"


def test_the_page_says_when_space_was_freed(as_alice):
    assert "Space has not been freed yet" in text_of(as_alice.get("/deleted"))
    GarbageCollection.objects.create(alive_until=NOW, ended_at=NOW, freed_bytes=5_000_000)
    assert re.search(r"Space was last freed .*: 5(\.0)? MB", text_of(as_alice.get("/deleted")))


def test_costs_the_same_queries_for_many(as_alice, alices_app, django_assert_max_num_queries):
    for number in range(20):
        push(alices_app, f"t{number}", image=f"{number}")
        deletions.delete_tags(alices_app, [(f"t{number}", digest_of(f"{number}"))], "alice")
        push(alices_app, f"u{number}", image=f"{number}")
    with django_assert_max_num_queries(8):
        as_alice.get("/deleted")
    with django_assert_max_num_queries(10):
        as_alice.get("/r/alice/app/delete-tags?filter=u*")


def test_a_deprecated_repository_says_so_everywhere(as_alice, alices_app, client):
    push(alices_app, "1.0")
    sent = {"form": "deprecation", "deprecated_at": "on", "successor": "localhost:8080/alice/new"}
    as_alice.post("/r/alice/app/settings", sent)
    page = as_alice.get("/r/alice/app")
    assert "don't begin to use it" in text_of(page).replace("&#x27;", "'")
    assert 'href="/r/alice/new"' in page.content.decode()
    assert "Deprecated" in text_of(client.get("/search?q=app"))
    (found,) = client.get("/v1/search?q=app").json()["results"]
    assert found["description"] == "DEPRECATED, use alice/new. An application"
    before = Repository.objects.get().deprecated_at
    as_alice.post("/r/alice/app/settings", {**sent, "successor": "docker.io/library/new:1"})
    assert Repository.objects.get().deprecated_at == before
    assert "docker.io/library/new:1" in text_of(as_alice.get("/r/alice/app"))
    as_alice.post("/r/alice/app/settings", {"form": "deprecation", "successor": ""})
    assert "Deprecated" not in text_of(as_alice.get("/r/alice/app"))


@pytest.mark.parametrize("successor", ["alice/app", "a b", "<script>", "-x", "http://é"])
def test_what_can_not_come_after_it_is_refused(as_alice, alices_app, successor):
    sent = {"form": "deprecation", "deprecated_at": "on", "successor": successor}
    assert as_alice.post("/r/alice/app/settings", sent).status_code == 200
    assert Repository.objects.get().deprecated_at is None


def test_deprecated_is_found_after_others(client, alice):
    for name, deprecated_at, pulls in [("app-a", NOW, 9), ("app-b", None, 1)]:
        Repository.objects.create(
            namespace=alice.namespace,
            name=name,
            deprecated_at=deprecated_at,
            pushed_at=NOW,
            pull_count=pulls,
        )
    names = [item["name"] for item in client.get("/v1/search?q=app").json()["results"]]
    assert names == ["alice/app-b", "alice/app-a"]
    assert client.get("/v1/search?q=alice/app-a").json()["results"][0]["name"] == "alice/app-a"


def test_a_tag_is_deprecated(as_alice, alices_app):
    push(alices_app, "1.0")
    sent = {"deprecated_at": "on", "successor": "2.0"}
    assert as_alice.post("/r/alice/app/tags/1.0/manage", sent).status_code == 302
    tag = Tag.objects.get()
    assert tag.deprecated_at and tag.successor == "2.0"
    assert "Deprecated" in text_of(as_alice.get("/r/alice/app/tags"))
    assert as_alice.get("/r/alice/app/tags/nothing/manage").status_code == 404
