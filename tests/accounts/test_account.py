"""The account page, the e-mail address, and sessions."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.mark.parametrize(
    "path",
    ["/account/", "/account/email/", "/account/password/change/", "/account/sessions/"],
)
def test_strangers_sign_in_first(db, client, path):
    assert client.get(path)["Location"] == f"/account/login/?next={path}"


def test_changes_the_profile_and_nothing_else(client, alice):
    client.force_login(alice)
    too_long = client.post(
        "/account/", {"section": "profile", "profile-name": "Al", "profile-bio": "x" * 301}
    )
    assert "at most 300" in too_long.text

    client.post(
        "/account/",
        {
            "section": "profile",
            "profile-name": "Alice",
            "profile-bio": "<b>hi",
            "is_staff": "on",
            "username": "eve",
        },
    )

    alice.refresh_from_db()
    assert (alice.name, alice.bio, alice.username) == ("Alice", "<b>hi", "alice")
    assert not alice.is_staff
    assert "<b>hi" not in client.get("/account/").text
    assert AuditEvent.objects.get(action="account.changed").details == {"fields": ["name", "bio"]}


def test_first_pushes_can_be_private(client, alice):
    client.force_login(alice)
    client.post("/account/", {"section": "pushes", "first_pushes_are_private": "on"})
    alice.refresh_from_db()
    assert alice.first_pushes_are_private

    client.post("/account/", {"section": "pushes"})
    alice.refresh_from_db()
    assert not alice.first_pushes_are_private


def test_the_address_without_its_slash_leads_there(client, alice):
    assert client.get("/account")["Location"] == "/account/"


# --- E-mail address -------------------------------------------------------------------------


def change_email(client: Client, email: str):
    return client.post("/account/email/", {"action_add": "", "email": email})


def test_an_address_of_somebody_else_is_refused(client, alice, bob):
    client.force_login(alice)
    assert "Another account has" in change_email(client, "bob@example.com").text


def test_without_mail_a_new_address_counts_at_once(client, alice):
    client.force_login(alice)
    client.get("/account/email/")

    change_email(client, "new@example.com")

    alice.refresh_from_db()
    assert alice.email == "new@example.com"
    assert [row.email for row in EmailAddress.objects.filter(user=alice)] == ["new@example.com"]
    assert AuditEvent.objects.get(action="email.changed").details["old"] == "alice@example.com"
    assert "new@example.com" in client.get("/account/email/").text


def test_with_mail_a_new_address_counts_when_it_is_confirmed(
    client, alice, sends_mail, queued_mails
):
    client.force_login(alice)
    client.get("/account/email/")

    change_email(client, "new@example.com")

    alice.refresh_from_db()
    assert alice.email == "alice@example.com"
    [confirmation] = queued_mails()
    assert confirmation.to == ["new@example.com"]
    link = next(line for line in confirmation.body.splitlines() if "confirm-email" in line)

    client.post(link.removeprefix("http://localhost:8080"))

    alice.refresh_from_db()
    assert alice.email == "new@example.com"
    assert AuditEvent.objects.filter(action="email.changed", actor_id=alice.pk).exists()
    told = queued_mails()[1:]
    assert [message.to for message in told] == [["alice@example.com"], ["new@example.com"]]
    for message in told:
        assert "from alice@example.com to new@example.com" in message.body


def test_an_address_that_nobody_confirmed_is_told_nothing(client, alice, sends_mail, queued_mails):
    User.objects.filter(pk=alice.pk).update(must_confirm_email=True)
    client.force_login(alice)
    change_email(client, "new@example.com")
    [confirmation] = queued_mails()
    link = next(line for line in confirmation.body.splitlines() if "confirm-email" in line)

    client.post(link.removeprefix("http://localhost:8080"))

    told = queued_mails()[1:]
    assert [message.to for message in told] == [["new@example.com"]]


# --- Sessions -------------------------------------------------------------------------------


def signed_in(person, user_agent: str) -> Client:
    client = Client(headers={"user-agent": user_agent})
    client.post(
        "/account/login/",
        {"login": person.username, "password": f"{person.username}-password-1"},
    )
    return client


def test_nobody_ends_the_session_of_somebody_else(alice, bob):
    attacker, _victim = signed_in(alice, "curl/8"), signed_in(bob, FIREFOX)
    session = UserSession.objects.get(user=bob)

    assert attacker.post(f"/account/sessions/{session.pk}/end").status_code == 404
    assert attacker.get(f"/account/sessions/{session.pk}/end").status_code == 405
    assert UserSession.objects.filter(pk=session.pk).exists()


def test_a_session_is_ended_from_another(alice):
    here, there = signed_in(alice, "curl/8"), signed_in(alice, FIREFOX)
    page = here.get("/account/sessions/").text
    assert "Firefox 140" in page

    session = UserSession.objects.get(user_agent=FIREFOX)
    here.post(f"/account/sessions/{session.pk}/end")

    assert there.get("/account/").status_code == 302
    assert here.get("/account/").status_code == 200
    assert AuditEvent.objects.get(action="session.revoked").details["client"] == FIREFOX


def test_a_session_is_noted_once_a_minute(alice):
    here = signed_in(alice, "curl/8")
    long_ago = timezone.now() - timedelta(hours=1)
    UserSession.objects.update(last_seen_at=long_ago, ip="192.0.2.1")

    here.get("/account/")
    session = UserSession.objects.get()
    assert session.last_seen_at > long_ago
    assert session.ip == "127.0.0.1"

    here.get("/account/")
    assert UserSession.objects.get().last_seen_at == session.last_seen_at


def test_all_other_sessions_are_ended_at_once(alice):
    here, *others = [signed_in(alice, f"curl/{number}") for number in range(3)]

    here.post("/account/sessions/")

    assert here.get("/account/").status_code == 200
    assert [other.get("/account/").status_code for other in others] == [302, 302]
    assert AuditEvent.objects.filter(action="session.revoked").count() == 2
