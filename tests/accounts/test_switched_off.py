"""What somebody whose account is switched off is told when he logs in with a client."""

import pytest

from accounts import access_tokens, credentials, deactivation


def told(username: str, secret: str) -> str:
    with pytest.raises(credentials.BadCredentials) as refusal:
        credentials.authenticate(username, secret, address="192.0.2.1", client="docker")
    return str(refusal.value)


@pytest.mark.parametrize("kind", ["password", "token"])
def test_is_led_to_the_page_about_it(client, alice, kind):
    secret = "alice-password-1"
    if kind == "token":
        _row, secret = access_tokens.create(alice, "laptop", "write")
    deactivation.deactivate(alice, None)
    text = told("alice", secret)
    assert text.startswith("this account is blocked")
    assert text.endswith(" http://localhost:8080/why/suspended")
    assert client.get("/why/suspended").status_code == 200


def test_who_shows_something_wrong_learns_nothing(alice):
    deactivation.deactivate(alice, None)
    assert "blocked" not in told("alice", "wrong")
    assert "blocked" not in told("alice", access_tokens.generate())


def test_a_revoked_token_of_somebody_else_is_only_revoked(alice):
    row, secret = access_tokens.create(alice, "laptop", "write")
    access_tokens.revoke(row)
    assert "mistyped, expired or revoked" in told("alice", secret)
