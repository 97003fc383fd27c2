"""/u/alice: a person's repositories."""

from xml.etree import ElementTree

import pytest

from accounts.models import User
from repositories.models import Repository
from repositories.pictures import picture_of
from tests.repositories.pushed import push, push_index
from tests.repositories.test_repository_page import text_of


@pytest.mark.parametrize("name", ["nobody", "a", "staff", "%00", "-"])
def test_a_name_without_an_owner_is_not_there(client, db, name):
    assert client.get(f"/u/{name}").status_code == 404


def test_strangers_see_public_repositories_with_images(
    client, alice, bob, alices_app, alices_secret
):
    push(alices_secret, "latest")
    client.force_login(bob)
    page = text_of(client.get("/u/alice"))
    assert "has no public repository" in page  # alice/app has no image yet
    assert "secret" not in page

    push(alices_app, "latest")
    assert "/r/alice/app" in text_of(client.get("/u/alice"))


def test_its_owner_sees_all_what_waits_first(client, alice, alices_app, alices_secret):
    push(alices_secret, "latest")
    client.force_login(alice)
    page = client.get("/u/alice")
    assert [found.name for found in page.context["page"]] == ["app", "secret"]
    assert "Waits for its first push" in text_of(page)


def test_tells_who_it_is(client, alice):
    User.objects.filter(pk=alice.pk).update(name="Alice Ng", bio="<b>Weather</b>")
    page = text_of(client.get("/u/alice"))
    assert "Alice Ng" in page
    assert "&lt;b&gt;Weather" in page
    assert "joined" in page


def test_names_the_top_level_repositories_that_one_keeps(client, carol, debian):
    assert "/_/debian" not in text_of(client.get("/u/carol"))  # no image yet
    push(debian, "latest")
    assert "/_/debian" in text_of(client.get("/u/carol"))


def test_upper_case_leads_to_the_name(client, alice):
    response = client.get("/u/Alice")
    assert response.status_code == 301
    assert response["Location"] == "/u/alice"


def test_costs_the_same_queries_for_many(client, alice, django_assert_num_queries):
    for number in range(20):
        made = Repository.objects.create(namespace=alice.namespace, name=f"app{number}")
        push_index(made, "latest", sizes={"linux/amd64": 1, "linux/arm64": 1})
    # Namespace with its user; repositories counted, and a page of them; their newest
    # manifests; parts; children; what it keeps at the top level.
    with django_assert_num_queries(7):
        client.get("/u/alice")


class TestThePicture:
    def test_is_the_same_for_the_same_name(self):
        assert picture_of("alice") == picture_of("alice") != picture_of("bob")

    def test_is_a_small_plain_svg(self):
        picture = picture_of("alice")
        assert len(picture) < 1024
        assert "style" not in picture
        ElementTree.fromstring(picture)

    def test_does_not_tell_whether_a_name_is_taken(self, client, alice, django_assert_num_queries):
        with django_assert_num_queries(0):
            taken, free = client.get("/u/alice/picture.svg"), client.get("/u/free/picture.svg")
        assert taken.status_code == free.status_code == 200
        assert taken["Content-Type"] == free["Content-Type"] == "image/svg+xml"
        assert "max-age" in taken["Cache-Control"]
