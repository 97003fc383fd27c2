"""Signing in and out, and what is told to who guesses."""

import pytest
from django.test import Client

from accounts import limits
from accounts.models import AuditEvent, LoginFailure


def sign_in(client: Client, name: str, password: str, **fields: str):
    return client.post("/account/login/", {"login": name, "password": password, **fields})


@pytest.mark.parametrize("name", ["alice", "nobody", "alice@example.com", "a" * 300])
def test_a_wrong_password_is_told_the_same_for_any_name(client, alice, name):
    response = sign_in(client, name, "wrong")

    assert "The password doesn&#x27;t fit this user name or e-mail address." in response.text
    assert LoginFailure.objects.count() == 1


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example.com/",
        "//evil.example.com",
        "/\\evil.example.com",
        "http://localhost:9999/",
        "http://127.0.0.1/",
        "javascript:alert(1)",
    ],
)
def test_does_not_lead_elsewhere(client, alice, target):
    response = sign_in(client, "alice", "alice-password-1", next=target)
    assert response["Location"] == "/"


def test_leads_on_within_the_index(client, alice):
    response = sign_in(client, "alice", "alice-password-1", next="/account/tokens")
    assert response["Location"] == "/account/tokens"


def test_needs_a_csrf_token(alice):
    client = Client(enforce_csrf_checks=True)
    assert sign_in(client, "alice", "alice-password-1").status_code == 403


def test_too_many_wrong_passwords_are_told_to_wait(client, alice):
    for number in range(limits.PER_NAME_AND_ADDRESS[0]):
        sign_in(client, "alice", f"wrong {number}")

    response = sign_in(client, "alice", "alice-password-1")

    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 600
    assert "_auth_user_id" not in client.session


def test_an_account_that_is_switched_off_is_told_so(client, alice):
    alice.is_active = False
    alice.save()

    response = sign_in(client, "alice", "alice-password-1")

    assert response["Location"] == "/account/inactive/"
    assert "switched off" in client.get("/account/inactive/").text
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("name", ["alice", "ALICE", " alice ", "Alice@example.com"])
def test_takes_a_name_or_an_address(client, alice, name):
    sign_in(client, "alice", "wrong")

    assert sign_in(client, name, "alice-password-1").status_code == 302

    assert client.session["_auth_user_id"] == str(alice.pk)
    assert not LoginFailure.objects.exists()
    assert AuditEvent.objects.get(actor_name="alice").action == "user.signed_in"


def test_signs_out_by_post_alone(client, alice):
    client.force_login(alice)
    client.get("/account/logout/")
    assert "_auth_user_id" in client.session

    client.post("/account/logout/")

    assert "_auth_user_id" not in client.session
    assert AuditEvent.objects.filter(action="user.signed_out", actor_id=alice.pk).exists()
