"""What docker of 2013 to 2017 is told when it signs people up, or in."""

import base64
import json

import pytest

from accounts import access_tokens, deactivation
from accounts.models import AuditEvent, User

KNOWN = b'"Username or email already exists"'
DORA = {"username": "dora", "email": "dora@example.com", "password": "correct horse", "auth": ""}


def sign_up(client, path: str = "/v1/users/", **fields: object):
    return client.post(path, json.dumps({**DORA, **fields}), "application/json; charset=utf-8")


def log_in(client, username: str, secret: str, path: str = "/v1/users/"):
    return client.get(path, headers=basic(username, secret))


def change(client, path: str, username: str, secret: str, **fields: object):
    headers = basic(username, secret)
    return client.put(path, json.dumps(fields), "application/json", headers=headers)


def basic(username: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{username}:{secret}".encode()).decode()}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"username": "a"}, "A user name has 2 to 39 characters"),
        ({"username": "dora_"}, "'dora' is free"),
        ({"username": "Library"}, "a word that the index uses itself"),
        ({"username": ""}, "Username: This field is required."),
        ({"password": "short"}, "Password: This password is too short"),
        ({"password": "gtp_mistyped"}, "This is an access token, not a password."),
        ({"email": "dora"}, "Email: Enter a valid email address."),
        ({"username": "do\0ra"}, "The username isn't text"),
        ({"password": "\ud800" * 8}, "The password isn't text"),
        ({"email": ["dora@example.com"]}, "The email isn't text"),
        ({"password": "x" * 1001}, "The password is too long"),
    ],
)
def test_says_in_plain_english_what_is_wrong(db, client, fields, problem):
    response = client.post(
        "/v1/users/",
        json.dumps({**DORA, **fields}),
        "application/json",
        headers={"accept-language": "zh-hans"},
    )
    assert response.status_code == 400
    assert problem in response.json()
    assert response.content.isascii()
    assert b"\\" not in response.content
    assert not User.objects.exists()


@pytest.mark.parametrize("body", ["", "{", "[]", '"dora"', "[" * 100_000, b"\xff", "x=1"])
def test_what_is_no_json_object_is_refused(db, client, body):
    response = client.post("/v1/users/", body, "application/json")
    assert response.status_code == 400
    assert response.json().startswith("The request isn't")


def test_too_large_is_refused(db, client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    response = sign_up(client, extra="x" * 1000)
    assert (response.status_code, response.json()) == (400, "The request is too large")


@pytest.mark.parametrize(
    "fields",
    [
        {"username": "alice"},
        {"username": " Alice"},
        {"username": "alice", "password": "alice-password-1"},
        {"username": "alice", "email": "", "password": ""},
        {"username": "alice@example.com", "email": ""},
        {"email": "ALICE@example.com"},
    ],
)
def test_a_known_name_or_address_gets_the_exact_words_whatever_the_password(client, alice, fields):
    response = sign_up(client, **fields)

    assert (response.status_code, response.content) == (400, KNOWN)
    assert User.objects.count() == 1


def test_a_name_whose_owner_has_gone_is_known(client, alice):
    alice.delete()
    assert sign_up(client, username="alice").content == KNOWN
    assert log_in(client, "alice", "alice-password-1").status_code == 401


def test_where_sign_up_is_closed_it_is_log_in_only(client, alice, settings):
    settings.REGISTRATION = "closed"

    for name in ["alice", "dora"]:
        assert sign_up(client, username=name).status_code == 401
    assert User.objects.count() == 1
    assert log_in(client, "alice", "alice-password-1").status_code == 200


def test_shares_the_limit_of_the_form_and_never_keeps_anybody_from_logging_in(client, alice):
    for number in range(10):
        client.post("/account/signup/", {"username": "?"})
        sign_up(client, username=f"robot-{number}", email="")

    response = sign_up(client)
    assert response.status_code == 429
    assert response["Retry-After"] == "60"
    assert "Too many sign-ups" in response.json()
    assert not User.objects.filter(username="dora").exists()
    assert sign_up(client, username="alice").content == KNOWN


@pytest.mark.parametrize("path", ["/v1/users/", "/v1/users"])
def test_signs_up(db, client, path):
    response = sign_up(client, path)

    assert (response.status_code, response.content) == (201, b'"User Created"')
    assert response["Content-Type"] == "application/json"
    assert not response.cookies
    dora = User.objects.get(username="dora")
    assert dora.check_password("correct horse")
    assert (dora.email, dora.must_confirm_email) == ("dora@example.com", False)
    [event] = AuditEvent.objects.all()
    assert (event.action, event.actor_name) == ("user.signed_up", "dora")
    assert log_in(client, "dora", "correct horse", path).content == b'"OK"'


def test_with_a_mail_server_the_address_is_confirmed_as_after_the_form(
    db, client, sends_mail, queued_mails
):
    assert sign_up(client, email="").json() == "Email: This field is required."
    assert sign_up(client).status_code == 201

    assert User.objects.get(username="dora").must_confirm_email
    [confirmation] = queued_mails()
    assert confirmation.to == ["dora@example.com"]
    assert "/account/confirm-email/" in confirmation.body
    assert log_in(client, "dora", "correct horse").status_code == 200


def test_a_wrong_or_missing_log_in_is_refused(client, alice):
    assert client.get("/v1/users/").status_code == 401
    assert client.get("/v1/users/", headers={"authorization": "Basic ?"}).status_code == 401
    response = log_in(client, "alice", "wrong")
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Basic ")
    assert "wrong user name or password" in response.json()


def test_guessing_is_slowed(client, alice):
    for number in range(10):
        log_in(client, "alice", f"wrong {number}")
    response = log_in(client, "alice", "wrong 11")
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0


def test_an_account_that_is_off_is_told_so(client, alice):
    deactivation.deactivate(alice, None)

    response = log_in(client, "alice", "alice-password-1")
    assert response.status_code == 403
    assert "blocked" in response.json()
    assert log_in(client, "alice", "wrong").status_code == 401


@pytest.mark.parametrize("name", ["alice", "ALICE", "alice@example.com"])
def test_logs_in_by_password(client, alice, name):
    assert log_in(client, name, "alice-password-1").content == b'"OK"'


def test_logs_in_by_access_token(client, alice):
    _token, secret = access_tokens.create(alice, "old machine", "read")
    assert log_in(client, "alice", secret).status_code == 200


@pytest.mark.parametrize(
    ("path", "username", "fields", "status"),
    [
        ("/v1/users/bob/", "alice", {"password": "correct horse"}, 404),
        ("/v1/users/nobody/", "alice", {"password": "correct horse"}, 404),
        ("/v1/users/alice/", "nobody", {"password": "correct horse"}, 401),
        ("/v1/users/alice/", "alice", {}, 400),
        ("/v1/users/alice/", "alice", {"password": "short"}, 400),
        ("/v1/users/alice/", "alice", {"email": "bob@example.com"}, 400),
        ("/v1/users/alice/", "alice", {"email": "no address"}, 400),
        ("/v1/users/alice/", "alice", {"password": "correct horse", "email": "no"}, 400),
        ("/v1/users/alice/", "alice", {"password": 12345678}, 400),
    ],
)
def test_refuses_to_change(client, alice, bob, path, username, fields, status):
    response = change(client, path, username, "alice-password-1", **fields)

    assert response.status_code == status
    alice.refresh_from_db()
    assert alice.check_password("alice-password-1")
    assert alice.email == "alice@example.com"


def test_an_access_token_changes_no_account(client, alice):
    _token, secret = access_tokens.create(alice, "stolen", "delete")
    response = change(client, "/v1/users/alice/", "alice", secret, password="correct horse")
    assert response.status_code == 401


@pytest.mark.parametrize("path", ["/v1/users/alice/", "/v1/users/alice", "/v1/users/Alice/"])
def test_changes_password_and_address(client, alice, path):
    fields = {"password": "correct horse", "email": "new@example.com"}
    response = change(client, path, "alice", "alice-password-1", **fields)

    assert (response.status_code, response.content) == (204, b"")
    assert not response.cookies
    alice.refresh_from_db()
    assert alice.email == "new@example.com"
    assert log_in(client, "alice", "correct horse").status_code == 200
    assert log_in(client, "alice", "alice-password-1").status_code == 401
    events = AuditEvent.objects.filter(actor_id=alice.pk).order_by("pk")
    assert [event.action for event in events] == ["password.changed", "email.changed"]


def test_with_a_mail_server_a_new_address_counts_once_it_is_confirmed(
    client, alice, sends_mail, queued_mails
):
    fields = {"password": "correct horse", "email": "new@example.com"}
    assert change(client, "/v1/users/alice/", "alice", "alice-password-1", **fields).status_code

    alice.refresh_from_db()
    assert alice.email == "alice@example.com"
    changed, confirmation = queued_mails()
    assert changed.subject == "Your password for localhost:8080 was changed"
    assert confirmation.to == ["new@example.com"]


def test_takes_no_other_methods(client, alice):
    assert client.delete("/v1/users/").status_code == 405
    assert client.put("/v1/users/").status_code == 405
    assert client.get("/v1/users/alice/").status_code == 405
    assert client.post("/v1/users/alice/")["Allow"] == "PUT"
