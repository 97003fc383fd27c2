"""Signing up: which names are refused, and what a new account may do."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from accounts.models import AuditEvent, Namespace, User

REFUSED = {
    "a": "2 to 39 characters",
    "a" * 40: "2 to 39 characters",
    "al ice": "“al-ice” is free",
    "älice": "letters a to z",
    "alice_": "“alice” is free",
    "al--ice": "“al-ice” is free",
    "library": "a word that the index uses itself",
    "Library": "a word that the index uses itself",
    "v2": "“v2-1” is free",
}


def sign_up(client: Client, name: str, **fields: str):
    form = {"username": name, "email": "", "password1": "correct horse", **fields}
    return client.post("/account/signup/", form)


@pytest.mark.parametrize("name", REFUSED)
def test_says_what_is_wrong_with_a_name(db, client, name):
    response = sign_up(client, name)

    assert REFUSED[name] in response.text
    assert not User.objects.exists()


def test_suggests_a_free_name_for_one_that_is_taken(client, alice):
    response = sign_up(client, "Alice")
    assert "“alice” is taken. “alice-1” is free." in response.text


def test_a_name_whose_owner_has_gone_is_not_given_again(client, alice):
    alice.delete()
    assert "“alice” is taken" in sign_up(client, "alice").text
    assert Namespace.objects.get(name="alice").user is None


def test_the_database_refuses_reserved_names_too(db):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user(username="official", password="x")
    with pytest.raises(IntegrityError), transaction.atomic():
        Namespace.objects.create(name="library")


def test_an_address_belongs_to_one_account(client, alice):
    response = sign_up(client, "bob", email="ALICE@example.com")
    assert "Another account has this e-mail address." in response.text


@pytest.mark.parametrize("password", ["12345678", "password", "short", "dora-dora", ""])
def test_refuses_weak_passwords(db, client, password):
    response = sign_up(client, "dora-dora", password1=password)

    assert response.status_code == 200
    assert not User.objects.exists()


def test_needs_a_csrf_token(db):
    assert sign_up(Client(enforce_csrf_checks=True), "dora").status_code == 403


def test_is_closed_where_staff_make_the_accounts(client, settings, sam):
    settings.REGISTRATION = "closed"

    for response in [client.get("/account/signup/"), sign_up(client, "dora")]:
        assert "Sign-up is closed" in response.text
        assert '<a href="/u/sam">sam</a>' in response.text
    assert not User.objects.filter(username="dora").exists()


def test_does_not_lead_elsewhere(db, client):
    response = sign_up(client, "dora", next="https://evil.example.com/")
    assert response["Location"] == "/"


def test_makes_account_and_namespace_and_signs_in(db, client):
    response = sign_up(client, " Dora ", email="Dora@Example.com")

    assert response["Location"] == "/"
    dora = User.objects.get(username="dora")
    assert dora.namespace.name == "dora"
    assert dora.email == "dora@example.com"
    assert not dora.must_confirm_email
    assert client.session["_auth_user_id"] == str(dora.pk)
    actions = AuditEvent.objects.filter(actor_id=dora.pk).order_by("pk")
    assert [event.action for event in actions] == ["user.signed_up", "user.signed_in"]
    assert {str(event.address) for event in actions} == {"127.0.0.1"}


def test_tells_of_a_name_that_old_clients_refuse(db, client):
    sign_up(client, "dora-the-explorer")
    assert "Docker 1.4 and older can&#x27;t push" in client.get("/account/").text


def test_with_a_mail_server_an_address_is_needed_and_confirmed(
    db, client, sends_mail, queued_mails
):
    assert not User.objects.exists()
    assert sign_up(client, "dora").status_code == 200
    sign_up(client, "dora", email="dora@example.com")

    dora = User.objects.get(username="dora")
    assert dora.must_confirm_email
    [confirmation] = queued_mails()
    assert confirmation.to == ["dora@example.com"]
    link = next(line for line in confirmation.body.splitlines() if "confirm-email" in line)
    assert link.startswith("http://localhost:8080/account/confirm-email/")

    # Programs look at links in mails, too: looking confirms nothing.
    path = link.removeprefix("http://localhost:8080")
    client.get(path)
    dora.refresh_from_db()
    assert dora.must_confirm_email

    client.post(path)
    dora.refresh_from_db()
    assert not dora.must_confirm_email
    assert AuditEvent.objects.filter(action="email.confirmed", actor_id=dora.pk).exists()
    assert "too old, or broken" in client.get(path).text


@pytest.mark.django_db(transaction=True)
def test_of_two_who_want_a_name_at_once_one_gets_it(client):
    answers = []
    barrier = threading.Barrier(2)

    def run(email: str) -> None:
        visitor = Client()
        barrier.wait()
        answers.append(sign_up(visitor, "dora", email=email).status_code)
        connection.close()

    threads = [threading.Thread(target=run, args=[f"{n}@example.com"]) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert User.objects.filter(username="dora").count() == 1
    assert set(answers) <= {200, 302}
