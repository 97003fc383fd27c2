"""The command line: superusers and access tokens."""

import pytest
from django.core.management import CommandError, call_command

from accounts import access_tokens
from accounts.models import AuditEvent, User


def superuser(monkeypatch, **values: str) -> None:
    person = {"USERNAME": "boss", "EMAIL": "boss@example.com", "PASSWORD": "secret", **values}
    for name, value in person.items():
        monkeypatch.setenv(f"DJANGO_SUPERUSER_{name}", value)
    call_command("createsuperuser", "--noinput", verbosity=0)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Admin", "a word that the index uses itself"),
        ("a", "2 to 39 characters"),
        ("b" * 40, "39"),
        ("the boss", "“the-boss” is free"),
        ("alice", "taken"),
        ("Alice", "taken"),
    ],
)
def test_a_superuser_s_name_is_a_namespace(monkeypatch, alice, name, reason):
    with pytest.raises(CommandError, match=reason):
        superuser(monkeypatch, USERNAME=name)
    assert User.objects.count() == 1


def test_a_superuser_is_staff_and_has_a_namespace(db, monkeypatch):
    superuser(monkeypatch, USERNAME="Boss")

    boss = User.objects.get(username="boss")
    assert boss.is_staff and boss.is_superuser
    assert boss.namespace.name == "boss"
    assert not boss.must_confirm_email
    assert boss.check_password("secret")
    assert AuditEvent.objects.get().target == "boss"


def test_tells_of_a_superuser_s_name_that_old_clients_refuse(db, monkeypatch, capsys):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "secret")
    call_command("createsuperuser", "--noinput", "--username=the-boss", "--email=b@example.com")
    assert "Docker 1.4 and older can't push to “the-boss”" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nobody", "--name=x", "--scope=read"], "There is no user 'nobody'"),
        (["alice", "--scope=read"], "--name"),
        (["alice", "--name=x"], "--scope"),
        (["alice", "--name=x", "--scope=admin"], "invalid choice"),
        (["alice", "--name= ", "--scope=read"], "--name has 1 to 80"),
        (["alice", "--name=" + "x" * 81, "--scope=read"], "--name has 1 to 80"),
        (["alice", "--name=x", "--scope=read", "--expires-days=0"], "--expires-days"),
        (["alice", "--name=x", "--scope=read", "--expires-days=99999"], "--expires-days"),
    ],
)
def test_a_token_is_made_for_somebody_with_name_and_scope(alice, arguments, reason):
    with pytest.raises(CommandError, match=reason):
        call_command("create_access_token", *arguments)
    assert not alice.access_tokens.exists()


def test_not_for_an_account_that_is_switched_off(alice):
    User.objects.update(is_active=False)
    with pytest.raises(CommandError, match="switched off"):
        call_command("create_access_token", "alice", "--name=x", "--scope=read")


def test_prints_a_token_alone_on_the_last_line(alice, capsys):
    call_command("create_access_token", "Alice", "--name", "ci", "--scope=write")

    *_words, last = capsys.readouterr().out.splitlines()
    token = access_tokens.find(last)
    assert token is not None
    assert (token.user, token.name, token.scope, token.expires_at) == (alice, "ci", "write", None)


def test_a_token_may_expire(alice, capsys):
    call_command("create_access_token", "alice", "--name=ci", "--scope=read", "--expires-days=7")
    token = alice.access_tokens.get()
    assert 6 <= (token.expires_at - token.created_at).days <= 7
