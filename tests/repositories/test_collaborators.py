"""Invited, accepted, changed, removed: on the pages of a repository and of the invited one."""

import re

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts import access_tokens
from accounts.models import AuditEvent
from repositories import collaborators
from repositories.models import Collaborator, Repository
from tests.repositories.pushed import push
from tests.repositories.test_repository_page import text_of

PAGE = "/r/alice/app/settings/who-may"
SECRET = "/r/alice/secret/settings/who-may"
INVITATION = "/r/alice/secret/invitation"


@pytest.fixture
def let_in(alices_app, alices_secret):
    """Lets somebody in to alice's repositories, who has accepted unless said otherwise."""

    def let_in(user, level="pull", *, accepted: bool = True):
        for repository in [alices_app, alices_secret]:
            at = "2026-01-01T00:00:00Z" if accepted else None
            repository.collaborators.create(
                user=user, level=level, invited_by="alice", accepted_at=at
            )
        return alices_secret.collaborators.get(user=user)

    return let_in


def send(client, form: str, page: str = PAGE, **fields: str):
    return client.post(page, {"form": form, **fields})


def row_of(user) -> tuple[str, bool] | None:
    """Level, and whether it was accepted, in alice/app."""
    row = Collaborator.objects.filter(user=user, repository__name="app").first()
    return (row.level, row.accepted_at is not None) if row else None


class TestWhoMay:
    def test_nobody_is_led_to_sign_in(self, client, alices_app):
        assert client.get(PAGE)["Location"].startswith("/account/login/")

    @pytest.mark.parametrize("level", ["", "pull", "push"])
    def test_is_for_those_who_administer(self, client, bob, carol, alices_app, let_in, level):
        if level:
            let_in(bob, level)
        client.force_login(bob)
        assert client.get(PAGE).status_code == 403
        assert send(client, "invite", user="carol", level="pull").status_code == 403
        assert client.get(SECRET).status_code == (403 if level else 404)
        assert row_of(carol) is None

    def test_an_invitation_gives_nothing_before_it_is_accepted(
        self, client, alice, bob, alices_app, alices_secret
    ):
        client.force_login(alice)
        assert send(client, "invite", SECRET, user=" Bob ", level="push")["Location"] == SECRET
        assert "Invited" in text_of(client.get(SECRET))
        assert "Collaborators and invited: bob" in text_of(client.get("/r/alice/secret/settings"))
        client.force_login(bob)
        assert client.get("/r/alice/secret").status_code == 404
        [event] = AuditEvent.objects.filter(action="collaborator.invited")
        assert (event.actor_name, event.target) == ("alice", "alice/secret")
        assert event.details == {"values": {"collaborator": "bob", "level": "push"}}

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("dave", "no user with the name dave"),
            ("alice", "owns this repository"),
            ("carol", "has been invited already"),
            ("sam", "no user with the name sam"),
            ("", "required"),
            ("\0", "Null characters"),
            ("x" * 40, "at most 39"),
        ],
    )
    def test_says_why_somebody_can_not_be_invited(
        self, client, alice, carol, sam, let_in, name, why
    ):
        let_in(carol)
        sam.is_active = False
        sam.save()
        client.force_login(alice)
        page = send(client, "invite", user=name, level="pull")
        assert page.status_code == 200
        assert why in text_of(page)
        assert row_of(carol) == ("pull", True)
        assert Collaborator.objects.count() == 2

    def test_the_limits_hold(self, client, alice, bob, carol, alices_app, monkeypatch):
        client.force_login(alice)
        monkeypatch.setattr(collaborators, "MAX_COLLABORATORS", 1)
        send(client, "invite", user="bob", level="pull")
        page = send(client, "invite", user="carol", level="pull")
        assert "1 collaborators at most" in text_of(page)
        assert row_of(carol) is None
        monkeypatch.undo()
        monkeypatch.setattr(collaborators, "MAX_INVITATIONS", (1, collaborators.MAX_INVITATIONS[1]))
        page = send(client, "invite", user="carol", level="pull")
        assert "go on tomorrow" in text_of(page)
        assert row_of(carol) is None

    def test_an_administrator_invites_but_makes_no_administrators(
        self, client, bob, carol, sam, let_in
    ):
        let_in(bob, "admin")
        let_in(sam, "admin")
        client.force_login(bob)
        assert send(client, "invite", user="carol", level="admin").status_code == 200
        assert row_of(carol) is None
        assert send(client, "invite", user="carol", level="push").status_code == 302
        assert row_of(carol) == ("push", False)
        assert send(client, "level", user="carol", level="admin").status_code == 403
        assert send(client, "level", user="sam", level="pull").status_code == 403
        assert send(client, "remove", user="sam").status_code == 403
        assert row_of(carol) == ("push", False) and row_of(sam) == ("admin", True)

    def test_what_only_the_owner_may_is_not_offered_to_an_administrator(
        self, client, bob, alices_app, let_in
    ):
        let_in(bob, "admin")
        client.force_login(bob)
        settings = "/r/alice/app/settings"
        assert "visibility" not in client.get(settings).context["forms"]
        client.post(settings, {"form": "visibility", "is_private": "True"})
        client.post(settings, {"form": "description", "description": "By bob"})
        alices_app.refresh_from_db()
        assert (alices_app.is_private, alices_app.description) == (False, "By bob")

    def test_the_api_changes_what_the_page_lets_him_change(self, client, bob, alices_app, let_in):
        let_in(bob, "admin")
        _row, secret = access_tokens.create(bob, "robot", "delete")
        for data, status in [({"is_private": True}, 403), ({"description": "By bob"}, 200)]:
            answer = client.patch(
                "/api/v1/repositories/alice/app",
                data,
                content_type="application/json",
                headers={"Authorization": f"Bearer {secret}"},
            )
            assert answer.status_code == status
        alices_app.refresh_from_db()
        assert (alices_app.is_private, alices_app.description) == (False, "By bob")

    def test_a_level_is_changed_and_a_collaborator_removed_at_once(
        self, client, alice, bob, let_in
    ):
        let_in(bob)
        client.force_login(alice)
        send(client, "level", user="bob", level="push")
        assert row_of(bob) == ("push", True)
        assert AuditEvent.objects.get(action="collaborator.changed").details["values"] == {
            "collaborator": "bob",
            "level": "push",
            "was": "pull",
        }
        send(client, "level", user="bob", level="push")  # changes nothing
        assert AuditEvent.objects.filter(action="collaborator.changed").count() == 1
        send(client, "remove", SECRET, user="bob")
        assert AuditEvent.objects.get(action="collaborator.removed").target == "alice/secret"
        client.force_login(bob)
        assert client.get("/r/alice/secret").status_code == 404
        assert client.get("/r/alice/app").status_code == 200

    @pytest.mark.parametrize("level", ["", "own", "\0"])
    def test_a_level_that_there_is_not_is_refused(self, client, alice, bob, let_in, level):
        let_in(bob)
        client.force_login(alice)
        assert send(client, "level", user="bob", level=level).status_code == 403
        assert row_of(bob) == ("pull", True)

    @pytest.mark.parametrize("name", ["carol", "", "\0", "x" * 5000])
    @pytest.mark.parametrize("form", ["level", "remove"])
    def test_who_is_no_collaborator_has_left_already(
        self, client, alice, carol, alices_app, form, name
    ):
        client.force_login(alice)
        assert send(client, form, user=name, level="push").status_code == 302
        assert not AuditEvent.objects.filter(action__startswith="collaborator").exists()

    def test_top_level_repositories_have_maintainers_instead(self, client, carol, bob, debian):
        client.force_login(carol)
        page = "/_/debian/settings/who-may"
        assert "Collaborators</h2>" not in text_of(client.get(page))
        assert send(client, "invite", page, user="bob", level="pull").status_code == 200
        assert not Collaborator.objects.exists()

    def test_costs_the_same_queries_for_many(
        self, client, alice, bob, carol, sam, let_in, django_assert_num_queries
    ):
        let_in(bob)
        client.force_login(alice)
        client.get(PAGE)
        for count, others in [(6, []), (6, [carol, sam])]:
            for user in others:
                let_in(user, "push")
            with django_assert_num_queries(count):
                client.get(PAGE)


class TestTheInvited:
    @pytest.mark.parametrize("answer", ["accept", "leave", ""])
    def test_nobody_else_sees_or_answers_it(self, client, bob, carol, alice, let_in, answer):
        let_in(bob, accepted=False)
        for user in [carol, alice]:
            client.force_login(user)
            assert client.get(INVITATION).status_code == 404
            assert client.post(INVITATION, {"answer": answer}).status_code == 404
        assert row_of(bob) == ("pull", False)

    def test_accepts_on_the_home_page(self, client, bob, let_in):
        let_in(bob, "push", accepted=False)
        client.force_login(bob)
        home = text_of(client.get("/"))
        assert f'action="{INVITATION}"' in home
        assert client.post(INVITATION, {"answer": "accept"})["Location"] == "/r/alice/secret"
        page = text_of(client.get("/r/alice/secret"))
        assert "You are a collaborator here, with the level “push”" in page
        home = text_of(client.get("/"))
        assert f'action="{INVITATION}"' not in home
        assert 'href="/r/alice/secret"' in home
        event = AuditEvent.objects.get(action="collaborator.accepted")
        assert (event.actor_name, event.target) == ("bob", "alice/secret")

    def test_accepting_twice_is_recorded_once(self, client, bob, let_in):
        let_in(bob, accepted=False)
        client.force_login(bob)
        client.post(INVITATION, {"answer": "accept"})
        assert client.post(INVITATION, {"answer": "accept"}).status_code == 404
        assert AuditEvent.objects.filter(action="collaborator.accepted").count() == 1

    @pytest.mark.parametrize(("accepted", "action"), [(False, "declined"), (True, "left")])
    def test_declines_or_leaves(self, client, bob, let_in, accepted, action):
        let_in(bob, accepted=accepted)
        client.force_login(bob)
        assert client.get(INVITATION).status_code == 200
        assert client.post(INVITATION, {"answer": "leave"})["Location"] == "/"
        assert client.get(INVITATION).status_code == 404
        assert client.get("/r/alice/secret").status_code == 404
        event = AuditEvent.objects.get(action=f"collaborator.{action}")
        assert (event.actor_name, event.target) == ("bob", "alice/secret")

    def test_has_nothing_to_answer_when_the_owner_or_the_repository_is_gone(
        self, client, alice, bob, alices_secret, let_in
    ):
        let_in(bob, accepted=False)
        client.force_login(bob)
        alices_secret.deleted_at = "2026-01-01T00:00:00Z"
        alices_secret.save()
        assert client.get(INVITATION).status_code == 404
        assert "secret" not in text_of(client.get("/"))
        alice.delete()
        assert client.get("/r/alice/app/invitation").status_code == 404
        assert "Invitations" not in text_of(client.get("/"))

    def test_gets_a_mail_that_does_not_say_from_where(
        self, client, alice, bob, alices_app, settings
    ):
        settings.SENDS_MAIL = True
        client.force_login(alice)
        send(client, "invite", user="bob", level="push")
        [mail] = ProcrastinateJob.objects.filter(task_name="accounts.send_mail")
        assert mail.args["to"] == "bob@example.com"
        assert mail.args["subject"] == "alice invites you to alice/app at localhost:8080"
        for text in [mail.args["text"], mail.args["html"]]:
            assert "http://localhost:8080/r/alice/app/invitation" in text
            assert "127.0.0.1" not in text

    def test_gets_none_at_an_address_that_was_never_confirmed(
        self, client, alice, bob, alices_app, settings
    ):
        settings.SENDS_MAIL = True
        bob.must_confirm_email = True
        bob.save()
        client.force_login(alice)
        send(client, "invite", user="bob", level="push")
        assert row_of(bob) == ("push", False)
        assert not ProcrastinateJob.objects.exists()


class TestTheQuestion:
    QUESTIONS = [
        # who, level, action, tag, is allowed, what the answer says
        ("", "", "pull", "", True, "alice/app is public: everybody may pull it"),
        ("", "", "push", "", False, "Nobody is logged in"),
        ("alice", "", "delete", "", True, "alice owns the namespace alice"),
        ("bob", "", "push", "", False, "bob neither owns the namespace alice nor has been let in"),
        ("bob", "pull", "pull", "", True, "bob is a collaborator with the level “pull”"),
        ("bob", "pull", "push", "", False, "bob is a collaborator with the level “pull” only"),
        ("bob", "push", "push", "1.0", True, "bob is a collaborator with the level “push”"),
        ("bob", "push", "pull", "1.0", False, "alice/app has no tag 1.0"),
        ("", "", "pull", "v1", True, "alice/app is public: everybody may pull it"),
        ("bob", "push", "push", "v1", False, "the tag v1 is immutable, and there already"),
        ("bob", "push", "push", "v2", True, "bob is a collaborator with the level “push”"),
        ("alice", "", "delete", "v1", False, "the tag v1 is immutable, and there already"),
    ]

    @pytest.mark.parametrize(("who", "level", "action", "tag", "allowed", "says"), QUESTIONS)
    def test_the_answer_names_the_rule(
        self, client, alice, bob, alices_app, let_in, who, level, action, tag, allowed, says
    ):
        push(alices_app, "v1")
        Repository.objects.filter(pk=alices_app.pk).update(immutable_tags="v*")
        if level:
            let_in(bob, level)
        client.force_login(alice)
        page = client.get(PAGE, {"user": who, "action": action, "tag": tag})
        notice = re.search(r'role="status".*?</div></div>', text_of(page), re.DOTALL)[0]
        assert ("Yes." if allowed else "No.") in notice
        assert says in notice

    def test_whose_turn_it_is(self, client, alice, bob, let_in):
        let_in(bob, "push", accepted=False)
        client.force_login(alice)
        page = text_of(client.get(SECRET, {"user": "bob", "action": "pull"}))
        assert "alice/secret is private, and bob has not been let in" in page
        assert "invited with the level “push”, and not accepted yet" in page

    @pytest.mark.parametrize(
        ("field", "says"),
        [("is_active", "bob is blocked"), ("must_confirm_email", "bob has not confirmed")],
    )
    def test_an_account_that_is_not_in_order(self, client, alice, bob, let_in, field, says):
        let_in(bob, "push")
        setattr(bob, field, field == "must_confirm_email")
        bob.save()
        client.force_login(alice)
        assert says in text_of(client.get(PAGE, {"user": "bob", "action": "push"}))
        page = text_of(client.get(PAGE, {"user": "bob", "action": "pull"}))
        assert "Yes." in page  # it is public: by logging out, at the worst

    @pytest.mark.parametrize(
        "query",
        [
            {"user": "dave", "action": "pull"},
            {"action": "own"},
            {"action": ""},
            {"action": "pull", "tag": "a b"},
            {"action": "pull", "user": "\0"},
        ],
    )
    def test_what_can_not_be_asked_gets_no_answer(self, client, alice, alices_app, query):
        client.force_login(alice)
        page = client.get(PAGE, query)
        assert page.status_code == 200
        assert page.context["explanation"] is None
        assert page.context["question"].errors


class TestTheQuestionByTheApi:
    API = "/api/v1/access"

    @pytest.fixture
    def ask(self, client):
        def ask(asker, scope="delete", /, **query):
            _row, secret = access_tokens.create(asker, "robot", scope)
            return client.get(self.API, query, headers={"Authorization": f"Bearer {secret}"})

        return ask

    def test_is_answered_to_those_who_administer(self, client, ask, alice, bob, carol, let_in):
        let_in(bob, "push")
        query = {"path": "alice/secret", "user": "carol", "action": "pull"}
        assert client.get(self.API, query).status_code == 401
        assert ask(carol, **query).status_code == 404
        assert ask(carol, **{**query, "path": "alice/nothing"}).status_code == 404
        assert ask(bob, **query).status_code == 403
        answer = ask(alice, "read", **query)
        assert answer.status_code == 403
        assert "scope delete" in answer.json()["detail"]

    def test_names_the_rule(self, ask, alice, bob, let_in):
        let_in(bob, "pull")
        allowed = ask(alice, path="alice/secret", user="bob", action="pull")
        assert allowed.json() == {
            "is_allowed": True,
            "rule": "collaborator",
            "text": "bob is a collaborator with the level “pull”.",
            "why": None,
        }
        refused = ask(alice, path="alice/secret", user="bob", action="push").json()
        assert (refused["is_allowed"], refused["rule"]) == (False, "level")
        assert refused["why"] == "http://localhost:8080/why/level?path=alice/secret&action=push"
        nobody = ask(alice, path="alice/secret", action="pull", tag="1.0").json()
        assert nobody["rule"] == "not-found"

    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"path": "alice/app"},
            {"path": "alice/app", "action": "own"},
            {"path": "alice/app", "action": "pull", "user": "dave"},
            {"path": "alice/app", "action": "pull", "tag": "a b"},
        ],
    )
    def test_what_can_not_be_asked_is_told(self, ask, alice, alices_app, query):
        answer = ask(alice, **query)
        assert answer.status_code == 400
        assert answer.json()
