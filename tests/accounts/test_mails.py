"""Mails about an account: text and HTML, queued with their cause, and to nobody by mistake."""

import pytest
from django.db import transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts import access_tokens


def test_an_index_without_a_mail_server_queues_none(alice):
    access_tokens.create(alice, "laptop", "read")
    assert not ProcrastinateJob.objects.exists()


def test_no_mail_to_an_address_that_was_not_confirmed(alice, sends_mail):
    alice.must_confirm_email = True
    access_tokens.create(alice, "laptop", "read")
    assert not ProcrastinateJob.objects.exists()


def test_what_is_rolled_back_sends_no_mail(alice, sends_mail):
    with pytest.raises(RuntimeError), transaction.atomic():
        access_tokens.create(alice, "laptop", "read")
        raise RuntimeError
    assert not ProcrastinateJob.objects.exists()


def test_tells_of_a_new_token_in_text_and_html(client, alice, sends_mail, queued_mails):
    client.force_login(alice)
    client.post(
        "/account/tokens/new",
        {"name": "R&D <laptop>", "scope": "write", "expiry": "never"},
        headers={"user-agent": "Test & Browser"},
    )
    secret = client.get("/account/tokens/created").context["secret"]

    [message] = queued_mails()

    assert message.to == ["alice@example.com"]
    assert message.subject == "New access token at localhost:8080"
    html = message.alternatives[0][0]
    assert "“R&D <laptop>”" in message.body
    assert "R&amp;D &lt;laptop&gt;" in html
    assert "127.0.0.1 (Test & Browser)" in message.body
    assert "http://localhost:8080/account/" in message.body
    assert secret not in message.body + html


def test_tells_of_a_changed_password(client, alice, sends_mail, queued_mails):
    client.force_login(alice)
    client.post(
        "/account/password/change/",
        {"oldpassword": "alice-password-1", "password1": "correct horse"},
    )
    [message] = queued_mails()
    assert message.subject == "Your password for localhost:8080 was changed"
    assert "correct horse" not in message.body


def test_no_line_break_gets_into_a_subject(alice, sends_mail, queued_mails):
    alice.name = "Alice\nBcc: everybody@example.com"
    access_tokens.create(alice, "a\r\nBcc: b@example.com", "read")
    [message] = queued_mails()
    assert "\n" not in message.subject
    assert message.recipients() == ["alice@example.com"]
