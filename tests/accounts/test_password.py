"""Changing a password, and getting a new one for one that is lost."""

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import access_tokens
from accounts.models import AuditEvent
from accounts.reset_links import reset_link


def path_of(link: str) -> str:
    assert link.startswith("http://localhost:8080/account/password/reset/key/")
    return link.removeprefix("http://localhost:8080")


def choose(client: Client, link: str, password: str):
    """Follow a reset link as a browser does: it redirects to a page without the secret."""
    page = client.get(path_of(link), follow=True)
    if not page.redirect_chain:
        return page
    return client.post(page.redirect_chain[-1][0], {"password1": password})


def change(client: Client, old: str, new: str):
    return client.post("/account/password/change/", {"oldpassword": old, "password1": new})


def test_a_new_password_needs_the_old_one(client, alice):
    client.force_login(alice)

    assert "not your current password" in change(client, "wrong", "correct horse").text
    alice.refresh_from_db()
    assert alice.check_password("alice-password-1")


def test_a_new_password_ends_other_sessions_and_password_logins(client, alice):
    elsewhere = Client()
    for browser in (client, elsewhere):
        browser.force_login(alice)
    token, secret = access_tokens.create(alice, "laptop", "write")
    by_password = access_tokens.create_for_device(alice, "docker")
    by_token = access_tokens.create_for_device(alice, "docker", parent=token)

    assert change(client, "alice-password-1", "correct horse")["Location"] == "/account/"

    assert client.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302
    assert access_tokens.find(by_password) is None
    assert access_tokens.find(by_token) is not None
    assert access_tokens.find(secret) is not None
    assert AuditEvent.objects.filter(action="password.changed", actor_id=alice.pk).count() == 1


def test_changing_a_password_changes_nothing_else(client, alice):
    client.force_login(alice)
    client.get("/account/")
    type(alice).objects.update(bio="written meanwhile")
    change(client, "alice-password-1", "correct horse")
    alice.refresh_from_db()
    assert alice.bio == "written meanwhile"


def test_without_mail_the_page_says_who_can_help(client, alice, sam, queued_mails):
    page = client.get("/account/password/reset/").text
    assert "sends no mail" in page
    assert '<a href="/u/sam">sam</a>' in page
    assert "<input" not in page.partition("<main")[2].partition("</main>")[0]

    response = client.post("/account/password/reset/", {"email": alice.email})
    assert "sends no mail" in response.text
    assert queued_mails() == []


def test_a_link_comes_by_mail(client, alice, sends_mail, queued_mails):
    assert "No account has" in client.post("/account/password/reset/", {"email": "x@y.org"}).text

    client.post("/account/password/reset/", {"email": "ALICE@example.com"})

    [message] = queued_mails()
    [html, kind] = message.alternatives[0]
    link = next(line for line in message.body.splitlines() if line.startswith("http"))
    assert link in html and kind == "text/html"
    choose(client, link, "correct horse")
    alice.refresh_from_db()
    assert alice.check_password("correct horse")
    assert "was reset" in queued_mails()[-1].subject


@pytest.mark.parametrize("name", ["nobody", ""])
def test_the_command_knows_no_stranger(db, name):
    with pytest.raises(CommandError, match="There is no user"):
        call_command("reset_link", name)


def test_the_command_prints_a_link_that_works_once(client, alice, capsys):
    call_command("reset_link", "Alice")
    link = capsys.readouterr().out.strip()

    assert "only digits" in choose(client, link, "12345678").text.replace(
        "entirely numeric", "only digits"
    )
    choose(client, link, "correct horse")

    alice.refresh_from_db()
    assert alice.check_password("correct horse")
    assert client.session["_auth_user_id"] == str(alice.pk)
    assert "This link is over" in choose(Client(), link, "stolen horse").text
    alice.refresh_from_db()
    assert alice.check_password("correct horse")


def test_a_link_of_somebody_else_s_is_of_no_use(client, alice, bob):
    stolen = reset_link(alice).rpartition("/key/")[2].partition("-")[2]
    uid = reset_link(bob).rpartition("/key/")[2].partition("-")[0]
    response = client.get(f"/account/password/reset/key/{uid}-{stolen}")
    assert "This link is over" in response.text
