"""Access tokens: how they look, that only a digest is kept, and when they end."""

import hashlib
import re
import zlib
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import access_tokens
from accounts.models import AccessToken, AuditEvent


def test_looks_as_secret_scanners_know_it():
    secret = access_tokens.generate()
    assert re.fullmatch(r"gtp_[0-9A-Za-z]{42}", secret)
    number = 0
    for digit in secret[-6:]:
        number = number * 62 + access_tokens.ALPHABET.index(digit)
    assert number == zlib.crc32(secret[4:-6].encode())
    assert access_tokens.is_well_formed(secret)


def test_two_are_never_the_same():
    assert len({access_tokens.generate() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "change",
    [
        lambda secret: secret[:-1],
        lambda secret: secret + "0",
        lambda secret: secret.replace("gtp_", "ghp_"),
        lambda secret: secret[:10] + ("a" if secret[10] != "a" else "b") + secret[11:],
        lambda secret: secret.swapcase(),
        lambda secret: " " + secret,
        lambda secret: secret[:4] + "é" * 36 + secret[-6:],
        lambda secret: secret[:-6] + "é" * 6,
        lambda _secret: "",
        lambda _secret: "gtp_",
    ],
)
def test_a_mistyped_one_is_told_without_a_query(db, django_assert_num_queries, change):
    with django_assert_num_queries(0):
        assert access_tokens.find(change(access_tokens.generate())) is None


def test_only_the_digest_is_kept(alice):
    token, secret = access_tokens.create(alice, "laptop", "write")
    assert token.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in str(AccessToken.objects.values())
    assert secret not in str(AuditEvent.objects.values())


def test_finds_a_token_with_its_user_in_one_query(alice, django_assert_num_queries):
    token, secret = access_tokens.create(alice, "laptop", "write")
    with django_assert_num_queries(1):
        found = access_tokens.find(secret)
        assert found.user.username == "alice"
    assert found == token


def test_a_token_works_until_it_expires(alice):
    now = timezone.now()
    secrets = [
        access_tokens.create(alice, "t", "read", expires_at=now + delta)[1]
        for delta in [timedelta(minutes=1), timedelta(seconds=-1)]
    ]
    assert [bool(access_tokens.find(secret)) for secret in secrets] == [True, False]


def test_revoking_is_for_good_and_written_down_once(alice, client):
    token, secret = access_tokens.create(alice, "laptop", "write")
    assert access_tokens.revoke(token)
    assert not access_tokens.revoke(token)
    assert access_tokens.find(secret) is None
    assert AuditEvent.objects.filter(action="access_token.revoked").count() == 1


def test_what_a_token_made_ends_with_it(alice):
    parent, _secret = access_tokens.create(alice, "laptop", "write")
    _child, child_secret = access_tokens.create(alice, "child", "write", parent=parent)
    device = access_tokens.create_for_device(alice, "docker", parent=_child)
    other = access_tokens.create(alice, "other", "write")[1]
    access_tokens.revoke(parent)
    assert access_tokens.find(child_secret) is None
    assert access_tokens.find(device) is None
    assert access_tokens.find(other) is not None


def test_a_device_lives_no_longer_than_what_it_logged_in_with(alice):
    soon = timezone.now() + timedelta(days=1)
    parent, _secret = access_tokens.create(alice, "laptop", "read", expires_at=soon)
    access_tokens.create_for_device(alice, "docker", parent=parent)
    device = AccessToken.objects.get(kind="device")
    assert device.expires_at == soon
    assert device.scope == "read"


def test_a_login_from_each_ci_run_does_not_pile_up(alice):
    first = access_tokens.create_for_device(alice, "docker")
    for _ in range(access_tokens.MAX_DEVICES):
        last = access_tokens.create_for_device(alice, "docker")
    assert AccessToken.objects.filter(kind="device").count() == access_tokens.MAX_DEVICES
    assert access_tokens.find(first) is None
    assert access_tokens.find(last) is not None


def test_a_login_with_one_token_ends_no_device_of_another(alice):
    mine = access_tokens.create_for_device(alice, "laptop")
    read, _secret = access_tokens.create(alice, "ci", "read")
    for _run in range(access_tokens.MAX_DEVICES + 1):
        access_tokens.create_for_device(alice, "ci", parent=read)
    assert access_tokens.find(mine) is not None
