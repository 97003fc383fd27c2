"""The one-time link to the first staff account."""

import threading

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from accounts import first_staff
from accounts.models import AuditEvent, User

FORM = {"username": "boss", "email": "boss@example.com", "password": "correct horse"}


@pytest.fixture(autouse=True)
def _own_secrets(settings, tmp_path):
    settings.VAR_DIR = tmp_path


def path() -> str:
    link = first_staff.link()
    assert link is not None
    return link.removeprefix(settings.SITE_URL)


def test_is_for_who_knows_the_secret(db, client):
    response = client.post("/account/first-staff/" + "0" * 64, FORM)
    assert response.status_code == 404
    assert not User.objects.exists()


def test_there_is_none_once_there_is_staff(client, sam):
    assert first_staff.link() is None


def test_a_link_that_was_printed_before_is_over_then(db, client):
    page = path()
    User.objects.create_user(username="sam", password="x", is_staff=True)
    assert "This link is over" in client.get(page).text
    assert client.post(page, FORM).status_code == 404
    assert User.objects.count() == 1


@pytest.mark.parametrize("field", [{"username": "admin"}, {"password": "12345678"}, {"email": ""}])
def test_refuses_what_a_sign_up_would(db, client, field):
    response = client.post(path(), FORM | field)
    assert response.status_code == 200
    assert not User.objects.exists()


def test_needs_a_csrf_token(db):
    assert Client(enforce_csrf_checks=True).post(path(), FORM).status_code == 403


def test_makes_staff_signs_in_and_is_over(db, client, django_capture_on_commit_callbacks):
    page = path()
    assert "no-store" in client.get(page)["Cache-Control"]

    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(page, FORM)

    assert response["Location"] == "/"
    boss = User.objects.get()
    assert boss.is_staff and boss.is_superuser and boss.namespace.name == "boss"
    assert client.session["_auth_user_id"] == str(boss.pk)
    assert AuditEvent.objects.filter(action="staff.first_account", actor_id=boss.pk).exists()
    assert client.post(page, FORM | {"username": "second"}).status_code == 404
    User.objects.update(is_staff=False)
    assert path() != page


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_becomes_staff():
    page = path()
    answers = []
    barrier = threading.Barrier(4)

    def run(name: str) -> None:
        visitor = Client()
        barrier.wait()
        form = FORM | {"username": name, "email": f"{name}@example.com"}
        answers.append(visitor.post(page, form).status_code)
        connection.close()

    threads = [threading.Thread(target=run, args=[f"boss{number}"]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [302, 404, 404, 404]
    assert User.objects.filter(is_staff=True).count() == 1
