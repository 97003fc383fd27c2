"""/repositories/new: a repository before its first push."""

import pytest

from accounts.models import AuditEvent
from repositories.access import access_to
from repositories.models import Repository
from tests.repositories.test_repository_page import text_of

NEW = "/repositories/new"


def data(name="tool", **fields: object) -> dict[str, object]:
    return {"name": name, "description": "A tool", "is_private": "False"} | fields


def test_nobody_is_led_to_sign_in(client, db):
    response = client.post(NEW, data())
    assert response.status_code == 302
    assert response["Location"].startswith("/account/login/")
    assert not Repository.objects.exists()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-tool",
        "tool-",
        "a b",
        "ä",
        "a/b",
        "../x",
        "a..b",
        "tool\0",
        "f" * 64,
        "x" * 200,
        ".",
        "a__.b",
    ],
)
def test_a_name_that_clients_could_not_pull_is_refused(client, alice, name):
    client.force_login(alice)
    response = client.post(NEW, data(name))
    assert response.status_code == 200
    assert response.context["form"].errors["name"]
    assert not Repository.objects.exists()


def test_a_name_is_folded(client, alice):
    client.force_login(alice)
    assert client.post(NEW, data(" Tool "))["Location"] == "/r/alice/tool"


def test_twice_is_refused_the_second_time(client, alice, alices_app):
    client.force_login(alice)
    page = client.post(NEW, data("app"))
    assert "There is a repository alice/app already" in text_of(page)
    assert Repository.objects.count() == 1


def test_a_push_that_was_faster_is_no_error(client, alice, monkeypatch):
    """The check finds nothing, and a moment later the name is taken."""
    client.force_login(alice)

    def and_somebody_pushes(principal, path):
        access = access_to(principal, path)
        Repository.objects.create(namespace=alice.namespace, name="tool")
        return access

    monkeypatch.setattr("repositories.forms.access_to", and_somebody_pushes)
    page = client.post(NEW, data())
    assert "There is a repository alice/tool already" in text_of(page)
    assert not AuditEvent.objects.filter(action="repository.created").exists()


def test_who_must_confirm_his_address_first_is_told_so(client, alice):
    alice.must_confirm_email = True
    alice.save(update_fields=["must_confirm_email"])
    client.force_login(alice)
    assert "Confirm your e-mail address first" in text_of(client.post(NEW, data()))
    assert not Repository.objects.exists()


def test_makes_a_private_repository_and_shows_how_to_push(client, alice):
    client.force_login(alice)
    response = client.post(NEW, data(is_private="True"), follow=True)
    assert response.redirect_chain == [("/r/alice/tool", 302)]
    made = Repository.objects.at("alice/tool").get()
    assert made.is_private
    assert made.description == "A tool"
    assert "docker push localhost:8080/alice/tool<" in text_of(response)
    event = AuditEvent.objects.get(action="repository.created")
    assert (event.actor_name, event.target) == ("alice", "alice/tool")


class TestTopLevel:
    def test_is_not_offered_to_others_than_staff(self, client, alice):
        client.force_login(alice)
        client.post(NEW, data("centos", place="top-level"))
        assert [made.path for made in Repository.objects.all()] == ["alice/centos"]

    @pytest.mark.parametrize("name", ["staff", "library", "search"])
    def test_names_that_the_index_uses_are_refused(self, client, sam, name):
        client.force_login(sam)
        page = client.post(NEW, data(name, place="top-level"))
        assert page.context["form"].errors["name"]

    def test_is_there_for_everybody(self, client, sam):
        client.force_login(sam)
        page = client.post(NEW, data("centos", place="top-level", is_private="True"))
        assert page.context["form"].errors["is_private"]

    def test_staff_make_one(self, client, sam):
        client.force_login(sam)
        assert 'value="top-level"' in text_of(client.get(NEW))
        response = client.post(NEW, data("centos", place="top-level"))
        assert response["Location"] == "/_/centos"
        assert Repository.objects.at("centos").get().is_top_level

    def test_staff_have_a_namespace_of_their_own_too(self, client, sam):
        client.force_login(sam)
        assert client.post(NEW, data(place="own"))["Location"] == "/r/sam/tool"
