"""The week before an account is deleted, and what is left of the person after it."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import access_tokens, deactivation, deletion, limits
from accounts.credentials import AccountIsOff, BadCredentials, authenticate
from accounts.models import AccountDeletion, AuditEvent, KnownAddress, Namespace, User

HERE = {"address": "192.0.2.7", "client": "docker"}


def sign_in(client: Client, name: str, password: str = ""):
    password = password or f"{name}-password-1"
    return client.post("/account/login/", {"login": name, "password": password})


@pytest.fixture
def leaving(alice) -> User:
    deletion.ask_for(alice, None, keeps_public_images=True)
    return alice


def test_the_last_staff_account_stays(sam):
    with pytest.raises(deletion.LastStaff):
        deletion.ask_for(sam, None, keeps_public_images=True)
    assert not AccountDeletion.objects.exists()


def test_staff_who_are_off_do_not_count(sam, bob):
    User.objects.filter(pk=bob.pk).update(is_staff=True, is_active=False)
    with pytest.raises(deletion.LastStaff):
        deletion.ask_for(sam, None, keeps_public_images=True)


@pytest.mark.django_db(transaction=True)
def test_of_two_staff_who_leave_at_once_one_stays(sam, bob):
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    answers = []
    barrier = threading.Barrier(2)

    def leave(user: User) -> None:
        barrier.wait()
        try:
            deletion.ask_for(User.objects.get(pk=user.pk), None, keeps_public_images=True)
            answers.append("leaves")
        except deletion.LastStaff:
            answers.append("stays")
        connection.close()

    threads = [threading.Thread(target=leave, args=[user]) for user in [sam, bob]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == ["leaves", "stays"]


def test_nothing_of_it_is_let_in_meanwhile(client, alice):
    client.force_login(alice)
    _token, secret = access_tokens.create(alice, "laptop", "write")
    authenticate("alice", "alice-password-1", **HERE)  # remembered from now on

    deletion.ask_for(alice, None, keeps_public_images=True)

    assert client.get("/account/").status_code == 302
    with pytest.raises(BadCredentials):
        authenticate("alice", secret, **HERE)
    with pytest.raises(AccountIsOff, match="to keep it, sign in at http://localhost:8080/account"):
        authenticate("alice", "alice-password-1", **HERE)


def test_only_who_shows_the_password_may_undo(client, leaving):
    assert client.post("/account/deletion/undo")["Location"] == "/account/login/"
    sign_in(client, "alice", "wrong")
    assert client.post("/account/deletion/undo")["Location"] == "/account/login/"
    assert AccountDeletion.objects.exists()


def test_the_page_that_undoes_is_not_open_for_ever(client, leaving):
    sign_in(client, "alice")
    session = client.session
    session[deletion.UNDO_KEY] = [leaving.pk, timezone.now().timestamp() - 1]
    session.save()
    assert client.post("/account/deletion/undo")["Location"] == "/account/login/"
    assert AccountDeletion.objects.exists()


def test_who_is_blocked_by_staff_has_nothing_to_undo(client, alice):
    deactivation.deactivate(alice, None)
    assert sign_in(client, "alice")["Location"] == "/account/inactive/"


def test_signing_in_undoes_it_and_gives_everything_back(client, alice, sends_mail, queued_mails):
    _token, secret = access_tokens.create(alice, "laptop", "write")
    deletion.ask_for(alice, None, keeps_public_images=False)

    response = sign_in(client, "alice")
    assert response["Location"] == "/account/deletion/undo"
    assert "Keep my account" in client.get("/account/deletion/undo").text
    assert not User.objects.get(pk=alice.pk).is_active  # looking undoes nothing
    assert client.post("/account/deletion/undo")["Location"] == "/"

    assert "You are alice" in client.get("/account/").text
    assert authenticate("alice", secret, **HERE).user == alice
    assert not AccountDeletion.objects.exists()
    asked, undone = queued_mails()[1:]
    assert "All its images go with it." in asked.body
    assert "http://localhost:8080/account/" in asked.alternatives[0][0]
    assert "its deletion was undone" in undone.body
    actions = AuditEvent.objects.filter(actor_id=alice.pk).values_list("action", flat=True)
    assert {"account.deletion_asked", "account.deletion_undone"} <= set(actions)


def test_staff_may_undo_it_for_somebody_without_a_password(leaving):
    deactivation.activate(leaving, None)
    assert not AccountDeletion.objects.exists()
    assert User.objects.get(pk=leaving.pk).is_active


def test_staff_see_that_an_account_is_leaving(client, leaving, sam):
    client.force_login(sam)
    assert "deleted on" in client.get("/staff/accounts").text
    text = client.get("/staff/accounts/alice").text
    assert "alice had this account deleted" in text
    assert "switched off" not in text


def test_asking_twice_changes_nothing(leaving):
    due_at = AccountDeletion.objects.get().due_at
    deletion.ask_for(leaving, None, keeps_public_images=False)
    again = AccountDeletion.objects.get()
    assert (again.due_at, again.keeps_public_images) == (due_at, True)
    assert due_at - timezone.now() > timedelta(days=6, hours=23)


def test_removes_what_is_personal_and_keeps_the_name(client, alice, sends_mail, queued_mails):
    client.post(
        "/account/login/",
        {"login": "alice", "password": "alice-password-1"},
        headers={"user-agent": "Alices Browser"},
    )
    AuditEvent.objects.create(
        action="email.changed", actor_id=alice.pk, details={"email": alice.email}
    )
    limits.record_success(alice, "192.0.2.7")
    deletion.ask_for(alice, None, keeps_public_images=True)

    with transaction.atomic():
        deletion.finish(AccountDeletion.objects.get())

    assert not User.objects.filter(username="alice").exists()
    assert not KnownAddress.objects.exists()
    assert not AccountDeletion.objects.exists()
    assert Namespace.objects.get(name="alice").user is None
    with pytest.raises(BadCredentials):
        authenticate("alice", "alice-password-1", **HERE)
    events = AuditEvent.objects.all()
    assert events.filter(action="user.signed_in", actor_name="alice").exists()
    assert not events.exclude(address=None).exists()
    assert not events.exclude(client="").exists()
    assert "alice@" not in str(list(events.values()))
    assert events.filter(action="account.deleted", target="alice", actor_id=None).exists()
    farewell = queued_mails()[-1]
    assert farewell.to == ["alice@example.com"]
    assert "the account alice at localhost:8080 is deleted" in farewell.body
