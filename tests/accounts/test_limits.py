"""Guessing is slowed, and nobody is locked out by what others do."""

import base64
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import limits, tasks
from accounts.middleware import parse_address
from accounts.models import KnownAddress, LoginFailure

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


def fail(count: int, username: str = "alice", address: str | None = HOME) -> None:
    for number in range(count):
        limits.record_failure(username, address, f"wrong {number}")


def is_refused(username: str = "alice", address: str | None = HOME) -> bool:
    try:
        limits.check(username, address)
    except limits.TooManyAttempts:
        return True
    return False


def test_after_ten_wrong_secrets_for_a_name_from_an_address_it_waits(alice):
    fail(9)
    limits.check("alice", HOME)
    limits.record_failure("alice", HOME, "one more")

    with pytest.raises(limits.TooManyAttempts, match="wait") as refusal:
        limits.check("alice", HOME)

    assert 590 <= refusal.value.retry_after_seconds <= 600
    assert not is_refused("alice", ELSEWHERE)
    assert not is_refused("bob", HOME)


def test_the_same_wrong_secret_counts_once(alice):
    for _ in range(50):
        limits.record_failure("alice", HOME, "of last year")
    assert LoginFailure.objects.count() == 1


def test_waiting_is_enough(alice):
    fail(10)
    LoginFailure.objects.update(failed_at=timezone.now() - timedelta(minutes=10, seconds=1))
    assert not is_refused()


def test_a_name_that_nobody_has_is_limited_alike(db):
    fail(10, "nobody")
    assert is_refused("nobody")


def test_an_address_that_tries_many_names_waits(alice, bob):
    for number in range(60):
        limits.record_failure(f"name-{number}", HOME, "password")
    assert is_refused("alice", HOME)
    assert not is_refused("alice", ELSEWHERE)


def test_a_name_guessed_from_many_addresses_waits_but_not_where_its_owner_signs_in(alice):
    limits.record_success(alice, HOME)
    for number in range(50):
        limits.record_failure("alice", f"198.51.100.{number}", f"wrong {number}")
    assert is_refused("alice", ELSEWHERE)
    assert not is_refused("alice", HOME)


def test_a_guesser_next_door_does_not_lock_out_who_signed_in_from_there(alice, bob):
    limits.record_success(alice, HOME)
    for number in range(60):
        limits.record_failure(f"name-{number}", HOME, "password")
    assert is_refused("bob", HOME)
    assert not is_refused("alice", HOME)
    fail(10)
    assert is_refused("alice", HOME), "her own mistakes still count"


def test_an_address_is_known_for_a_while_only(alice):
    limits.record_success(alice, HOME)
    KnownAddress.objects.update(seen_at=timezone.now() - timedelta(days=91))
    for number in range(50):
        limits.record_failure("alice", f"198.51.100.{number}", f"wrong {number}")
    assert is_refused("alice", HOME)
    limits.record_success(alice, HOME)
    assert not is_refused("alice", HOME)


def test_success_forgives_what_was_mistyped_before(alice):
    fail(9)
    limits.record_success(alice, HOME)
    fail(9)
    assert not is_refused()


def test_an_e_mail_address_counts_as_its_owner(alice):
    fail(5, "alice")
    for number in range(5):
        limits.record_failure("Alice@Example.com", HOME, f"another {number}")
    assert is_refused("ALICE")
    assert is_refused("alice@example.com")


def test_a_whole_ipv6_network_counts_as_one_address(alice):
    for number in range(10):
        limits.record_failure("alice", f"2001:db8:1:2::{number:x}", f"wrong {number}")
    assert is_refused("alice", "2001:db8:1:2:ffff::1")
    assert not is_refused("alice", "2001:db8:1:3::1")


def test_requests_without_an_address_count_together_and_become_known_to_nobody(alice):
    limits.record_success(alice, None)
    fail(10, address=None)
    assert is_refused(address=None)
    assert not KnownAddress.objects.exists()


@pytest.mark.parametrize("username", ["", "a\0b", "x" * 5000, "名字", "\ud800", "@", "a@\0"])
def test_any_text_can_be_counted_as_a_name(db, username):
    limits.check(username, HOME)
    limits.record_failure(username, HOME, "\0\ud800")
    limits.check(username, HOME)


def test_wrong_secrets_are_not_kept(alice):
    limits.record_failure("alice", HOME, "nearly right")
    assert "nearly" not in str(LoginFailure.objects.values())


def test_old_failures_and_addresses_are_purged(alice):
    fail(3)
    limits.record_success(alice, ELSEWHERE)
    limits.purge()
    assert LoginFailure.objects.count() == 3
    LoginFailure.objects.update(failed_at=timezone.now() - timedelta(hours=2))
    KnownAddress.objects.update(seen_at=timezone.now() - timedelta(days=91))
    limits.purge()
    assert not LoginFailure.objects.exists()
    assert not KnownAddress.objects.exists()


def test_the_hourly_task_purges(alice):
    fail(1)
    LoginFailure.objects.update(failed_at=timezone.now() - timedelta(hours=2))
    tasks.purge(timestamp=0)
    assert not LoginFailure.objects.exists()


def test_programs_are_told_to_wait_in_json(alice, client):
    fail(10, address="127.0.0.1")
    headers = {"Authorization": "Basic " + base64.b64encode(b"alice:x").decode()}
    for url in ["/v1/search?q=a", "/api/v1/me", "/token"]:
        response = client.get(url, headers=headers)
        assert response.status_code == 429
        assert int(response["Retry-After"]) > 500
        assert "wait" in str(response.json())


def test_people_are_told_to_wait_on_a_page(alice, client):
    fail(10, address="127.0.0.1")
    response = client.post("/account/login/", {"login": "alice", "password": "x"})
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 500
    assert "10 minutes" in response.content.decode()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 2001:DB8::1 ", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        ("unix:", None),
        ("192.0.2.1, 203.0.113.9", None),
        ("192.0.2.1'; --", None),
    ],
)
def test_a_client_address_is_an_address_or_none(text, address):
    assert parse_address(text) == address


def test_a_bad_address_from_the_front_door_is_none(client, db, settings):
    response = client.get("/healthz", headers={"X-Real-IP": "<script>"})
    assert response.wsgi_request.client_address is None
    response = client.get("/healthz", headers={"X-Real-IP": "2001:db8::1"})
    assert response.wsgi_request.client_address == "2001:db8::1"
