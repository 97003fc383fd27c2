"""What docker login and the API accept as proof of who somebody is."""

import hashlib
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.utils import timezone

from accounts import access_tokens, credentials, limits
from accounts.credentials import BadCredentials
from accounts.models import AccessToken, LoginFailure, RememberedPassword
from accounts.principals import Principal

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"
PASSWORD = "alice-password-1"


def authenticate(username, secret, address=HOME):
    return credentials.authenticate(username, secret, address=address, client="docker/20.10")


@pytest.fixture
def token(alice):
    row, secret = access_tokens.create(alice, "laptop", "write")
    row.secret = secret
    return row


@pytest.fixture
def hashed(monkeypatch):
    """How often a password was hashed."""
    calls = []
    encode = MD5PasswordHasher.encode

    def counting(self, password, salt):
        calls.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counting)
    return calls


@pytest.mark.parametrize(
    ("username", "secret"),
    [
        ("alice", "wrong"),
        ("alice", ""),
        ("", PASSWORD),
        ("", ""),
        ("nobody", PASSWORD),
        ("bob", PASSWORD),
        ("alice\0", PASSWORD),
        ("alice", PASSWORD + "\0"),
        ("alice", "\ud800"),
        ("alice", "gtp_\ud800"),
        ("\ud800", PASSWORD),
        ("alice' or 1=1 --", PASSWORD),
        ("%", PASSWORD),
        ("bob@example.com", PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("alice", "x" * 1_000_000),
        ("x" * 1_000_000, PASSWORD),
    ],
)
def test_refuses_a_wrong_pair(alice, bob, username, secret):
    with pytest.raises(BadCredentials, match="wrong user name or password"):
        authenticate(username, secret)


@pytest.mark.parametrize("username", ["alice", "Alice", " ALICE ", "alice@example.com"])
def test_a_password_is_its_owners_whatever_the_case_of_the_name(alice, username):
    assert authenticate(username, PASSWORD) == Principal(alice)


def test_an_access_token_is_as_much_as_its_scope(alice, token):
    principal = authenticate("Alice", token.secret)
    assert principal == Principal(alice, AccessToken.Scope.WRITE, token.pk)


def refused_token(token, change):
    row = AccessToken.objects.filter(pk=token.pk)
    if change == "expired":
        row.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif change == "revoked":
        access_tokens.revoke(token)
    elif change == "of a blocked user":
        token.user.is_active = False
        token.user.save()
    elif change == "of a deleted user":
        token.user.delete()
    return token.secret


@pytest.mark.parametrize("change", ["expired", "revoked", "of a blocked user", "of a deleted user"])
def test_refuses_a_token_that_ended(token, change):
    secret = refused_token(token, change)
    with pytest.raises(BadCredentials, match=r"expired or revoked|account is blocked"):
        authenticate("alice", secret)
    assert not LoginFailure.objects.exists()


@pytest.mark.parametrize("username", ["bob", "", "<token>", "alice@example.com"])
def test_refuses_a_token_under_another_name(token, bob, username):
    with pytest.raises(BadCredentials):
        authenticate(username, token.secret)


def test_a_mistyped_token_is_told_by_its_checksum_without_a_query(token, django_assert_num_queries):
    with django_assert_num_queries(0), pytest.raises(BadCredentials, match="mistyped"):
        authenticate("alice", token.secret[:-1] + "~")


@pytest.mark.parametrize("username", ["", "<token>", "alice"])
def test_a_device_token_comes_under_the_names_that_clients_give_it(alice, username):
    secret = access_tokens.create_for_device(alice, "docker")
    assert authenticate(username, secret).user == alice


def test_a_device_ends_with_the_token_that_it_logged_in_with(alice, token):
    secret = access_tokens.create_for_device(alice, "docker", parent=token)
    assert authenticate("alice", secret).scope == "write"
    access_tokens.revoke(token)
    with pytest.raises(BadCredentials):
        authenticate("alice", secret)


def test_a_token_costs_one_query_and_its_use_is_written_once_a_minute(
    token, django_assert_num_queries
):
    with django_assert_num_queries(3):  # the third tells its owner from where it was used first
        authenticate("alice", token.secret)
    with django_assert_num_queries(1):
        authenticate("alice", token.secret, ELSEWHERE)
    token.refresh_from_db()
    assert token.last_used_from == HOME
    assert token.last_used_by == "docker/20.10"
    AccessToken.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
    authenticate("alice", token.secret, ELSEWHERE)
    token.refresh_from_db()
    assert token.last_used_from == ELSEWHERE


# --- Passwords that are remembered ----------------------------------------------------------


def test_a_password_is_hashed_once_and_then_costs_one_query(
    alice, hashed, django_assert_num_queries
):
    hashed.clear()
    authenticate("alice", PASSWORD)
    assert len(hashed) == 1
    with django_assert_num_queries(1):
        assert authenticate("alice", PASSWORD) == Principal(alice)
    assert len(hashed) == 1


def test_who_has_no_account_waits_for_a_hash_like_who_has(alice, hashed):
    hashed.clear()
    for username in ["alice", "nobody", "nobody@example.com"]:
        with pytest.raises(BadCredentials):
            authenticate(username, "wrong")
    assert len(hashed) == 3


def test_a_changed_password_is_forgotten_at_once(alice):
    authenticate("alice", PASSWORD)
    alice.set_password("another-password-2")
    alice.save()
    with pytest.raises(BadCredentials):
        authenticate("alice", PASSWORD)
    assert authenticate("alice", "another-password-2").user == alice


def test_a_blocked_account_is_refused_at_once_and_told_why(alice):
    authenticate("alice", PASSWORD)
    alice.is_active = False
    alice.save()
    with pytest.raises(BadCredentials, match="blocked"):
        authenticate("alice", PASSWORD)
    with pytest.raises(BadCredentials, match="wrong user name"):
        authenticate("alice", "guess")


def test_after_ten_minutes_it_is_hashed_again(alice, hashed):
    authenticate("alice", PASSWORD)
    RememberedPassword.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    hashed.clear()
    authenticate("alice", PASSWORD)
    assert len(hashed) == 1
    assert RememberedPassword.objects.count() == 1


def test_what_is_remembered_is_neither_the_password_nor_a_plain_digest_of_it(alice):
    authenticate("alice", PASSWORD)
    stored = str(RememberedPassword.objects.values())
    assert PASSWORD not in stored
    assert hashlib.sha256(PASSWORD.encode()).hexdigest() not in stored


def test_the_same_password_of_two_people_is_remembered_for_each(alice, bob):
    bob.set_password(PASSWORD)
    bob.save()
    assert authenticate("alice", PASSWORD).user == alice
    assert authenticate("bob", PASSWORD).user == bob


def test_old_rows_are_purged(alice):
    authenticate("alice", PASSWORD)
    credentials.purge()
    assert RememberedPassword.objects.exists()
    RememberedPassword.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    credentials.purge()
    assert not RememberedPassword.objects.exists()


# --- Guessing -------------------------------------------------------------------------------


def guess(count):
    for number in range(count):
        with pytest.raises(BadCredentials):
            authenticate("alice", f"wrong {number}")


def test_a_guesser_waits_and_is_not_even_hashed_for(alice, hashed):
    guess(10)
    hashed.clear()
    with pytest.raises(limits.TooManyAttempts):
        authenticate("alice", PASSWORD)
    assert not hashed


def test_a_valid_token_or_a_remembered_password_is_never_refused_for_guesses(alice, token):
    authenticate("alice", PASSWORD)
    guess(10)
    assert authenticate("alice", PASSWORD).user == alice
    assert authenticate("alice", token.secret).user == alice


def test_a_client_that_tries_everything_twice_fails_half_as_often(alice):
    for _ in range(2):
        guess(9)
    assert LoginFailure.objects.count() == 9
    assert authenticate("alice", PASSWORD).user == alice
    assert not LoginFailure.objects.exists()


def test_what_is_remembered_tells_a_guesser_elsewhere_nothing(alice):
    """Refused for his guesses, he is refused for the right one, too."""
    authenticate("alice", PASSWORD)
    for number in range(10):
        with pytest.raises(BadCredentials):
            authenticate("alice", f"wrong {number}", ELSEWHERE)
    with pytest.raises(limits.TooManyAttempts):
        authenticate("alice", PASSWORD, ELSEWHERE)
    assert authenticate("alice", PASSWORD).user == alice
