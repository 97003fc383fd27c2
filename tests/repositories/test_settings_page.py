"""/r/alice/app/settings: description, visibility, README; of top-level ones their maintainers."""

import pytest

from accounts.models import AuditEvent
from repositories.models import MAX_README_LENGTH, Repository
from tests.repositories.test_repository_page import text_of

SETTINGS, TOP_LEVEL = "/r/alice/app/settings", "/_/debian/settings"


def send(client, form: str, page: str = SETTINGS, **fields: object):
    return client.post(page, {"form": form, **fields})


def test_nobody_is_led_to_sign_in(client, alices_app):
    assert client.get(SETTINGS)["Location"].startswith("/account/login/")


def test_strangers_may_not(client, bob, alices_app):
    client.force_login(bob)
    assert client.get(SETTINGS).status_code == 403
    assert send(client, "description", description="bob was here").status_code == 403
    alices_app.refresh_from_db()
    assert alices_app.description == "An application"


def test_what_a_stranger_may_not_see_is_not_there(client, bob, alices_secret):
    client.force_login(bob)
    assert client.get("/r/alice/secret/settings").status_code == 404
    assert client.get("/r/alice/nothing/settings").status_code == 404


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(client, alice, alices_app, method):
    client.force_login(alice)
    assert getattr(client, method)(SETTINGS).status_code == 405


@pytest.mark.parametrize("form", ["", "maintainers", "name", "\0"])
def test_a_form_that_is_not_there_changes_nothing(client, alice, alices_app, form):
    client.force_login(alice)
    assert send(client, form, maintainers="bob", name="x").status_code == 200
    assert not AuditEvent.objects.exists()


def test_the_description_is_saved_and_nothing_else(client, alice, alices_app):
    client.force_login(alice)
    client.get(SETTINGS)
    Repository.objects.update(pull_count=7)  # counted meanwhile
    response = send(client, "description", description="New", is_private="True", pull_count="0")
    assert response["Location"] == f"{SETTINGS}#description"
    alices_app.refresh_from_db()
    assert (alices_app.description, alices_app.pull_count) == ("New", 7)
    assert not alices_app.is_private
    event = AuditEvent.objects.get(action="repository.changed")
    assert (event.actor_name, event.target) == ("alice", "alice/app")
    assert event.details == {"fields": ["description"], "values": {"description": "New"}}


def test_what_is_too_long_stays_in_the_form(client, alice, alices_app):
    client.force_login(alice)
    page = send(client, "description", description="x" * 161)
    assert "x" * 161 in text_of(page)
    assert "An application" in text_of(page)  # the head shows what is stored
    alices_app.refresh_from_db()
    assert alices_app.description == "An application"


def test_visibility(client, alice, bob, alices_app):
    client.force_login(alice)
    send(client, "visibility", is_private="True")
    client.force_login(bob)
    assert client.get("/r/alice/app").status_code == 404
    client.force_login(alice)
    send(client, "visibility", is_private="False")
    client.force_login(bob)
    assert client.get("/r/alice/app").status_code == 200


@pytest.mark.parametrize("value", ["", "maybe"])
def test_a_visibility_that_does_not_exist_is_refused(client, alice, alices_app, value):
    client.force_login(alice)
    assert send(client, "visibility", is_private=value).status_code == 200
    assert not AuditEvent.objects.exists()


def test_the_readme_is_saved_with_plain_line_ends(client, alice, alices_app):
    client.force_login(alice)
    send(client, "readme", readme="# Use\r\n\r\n    code\r\n")
    alices_app.refresh_from_db()
    assert alices_app.readme == "# Use\n\n    code\n"
    # Its text isn't for the audit log.
    assert AuditEvent.objects.get().details == {"fields": ["readme"], "values": {}}


def test_a_preview_saves_nothing(client, alice, alices_app):
    client.force_login(alice)
    page = text_of(send(client, "readme", readme="*Gladly* <script>", preview="1"))
    assert "<em>Gladly</em>" in page
    assert "*Gladly* &lt;script&gt;" in page  # what was written is still there
    alices_app.refresh_from_db()
    assert alices_app.readme == ""


def test_the_longest_readme_is_taken_and_no_longer_one(client, alice, alices_app):
    client.force_login(alice)
    longest = "文" * MAX_README_LENGTH
    assert send(client, "readme", readme=longest).status_code == 302
    assert send(client, "readme", readme=longest + "!").status_code == 200
    alices_app.refresh_from_db()
    assert alices_app.readme == longest


class TestTopLevel:
    def test_has_no_visibility(self, client, carol, debian):
        client.force_login(carol)
        assert "visibility" not in client.get(TOP_LEVEL).context["forms"]
        send(client, "visibility", TOP_LEVEL, is_private="True")
        debian.refresh_from_db()
        assert not debian.is_private

    def test_maintainers_describe_it_but_do_not_name_maintainers(self, client, carol, bob, debian):
        client.force_login(carol)
        send(client, "description", TOP_LEVEL, description="Debian")
        send(client, "maintainers", TOP_LEVEL, maintainers="carol bob")
        debian.refresh_from_db()
        assert debian.description == "Debian"
        assert [user.username for user in debian.maintainers.all()] == ["carol"]

    def test_staff_name_maintainers(self, client, sam, alice, bob, debian):
        client.force_login(sam)
        assert "carol" in text_of(client.get(TOP_LEVEL))
        send(client, "maintainers", TOP_LEVEL, maintainers=" Alice, bob bob")
        assert {user.username for user in debian.maintainers.all()} == {"alice", "bob"}
        event = AuditEvent.objects.get(action="repository.maintainers_changed")
        assert (event.target, event.details) == ("debian", {"maintainers": ["alice", "bob"]})

    @pytest.mark.parametrize("names", ["nobody", "carol; drop", "carol <b>x</b>"])
    def test_somebody_unknown_can_not_be_named(self, client, sam, debian, names):
        client.force_login(sam)
        page = send(client, "maintainers", TOP_LEVEL, maintainers=names)
        assert "There is no user with the name" in text_of(page)
        assert [user.username for user in debian.maintainers.all()] == ["carol"]


class TestStaffsList:
    def test_is_for_staff(self, client, carol, debian):
        assert client.get("/staff/top-level").status_code == 302
        client.force_login(carol)
        assert client.get("/staff/top-level").status_code == 403

    def test_names_maintainers_and_where_nobody_is_named(self, client, sam, debian):
        Repository.objects.create(name="orphan")
        client.force_login(sam)
        page = text_of(client.get("/staff/top-level"))
        assert "/u/carol" in page
        assert "Nobody named" in page
        assert "/_/orphan/settings#maintainers" in page

    def test_costs_the_same_queries_for_many(
        self, client, sam, carol, django_assert_max_num_queries
    ):
        for number in range(20):
            Repository.objects.create(name=f"top{number}").maintainers.add(carol, sam)
        client.force_login(sam)
        # Session, user, and the note of the session's use; counted, a page, maintainers.
        with django_assert_max_num_queries(10):
            client.get("/staff/top-level")
