"""Access tokens on the web: made, shown once, listed and revoked."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import access_tokens
from accounts.models import AccessToken, AuditEvent


@pytest.fixture
def alices_browser(client, alice) -> Client:
    client.force_login(alice)
    return client


def make(alices_browser: Client, **fields: str):
    form = {"name": "laptop", "scope": "write", "expiry": "90", **fields}
    return alices_browser.post("/account/tokens/new", form)


@pytest.mark.parametrize("path", ["", "/new", "/created", "/1/revoke"])
def test_strangers_sign_in_first(db, client, path):
    response = client.get(f"/account/tokens{path}")
    assert response["Location"].startswith("/account/login/?next=")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 81},
        {"scope": "admin"},
        {"scope": ""},
        {"expiry": "1000000"},
        {"expiry": "custom"},
        {"expiry": "custom", "last_day": "2020-01-01"},
        {"expiry": "custom", "last_day": "9999-12-31"},
        {"expiry": "custom", "last_day": "tomorrow"},
    ],
)
def test_refuses_what_makes_no_token(alices_browser, fields):
    response = make(alices_browser, **fields)

    assert response.status_code == 200
    assert 'class="errors"' in response.text
    assert not AccessToken.objects.exists()


def test_needs_a_csrf_token(alice):
    alices_browser = Client(enforce_csrf_checks=True)
    alices_browser.force_login(alice)
    assert make(alices_browser).status_code == 403


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_token_of_somebody_else_is_not_there(alices_browser, bob, method):
    token, secret = access_tokens.create(bob, "bob's", "read")

    assert getattr(alices_browser, method)(f"/account/tokens/{token.pk}/revoke").status_code == 404
    assert access_tokens.find(secret) is not None
    assert "bob&#x27;s" not in alices_browser.get("/account/tokens").text


def test_the_page_shows_the_token_once_and_is_not_kept(alices_browser, alice):
    response = make(alices_browser)
    assert response["Location"] == "/account/tokens/created"
    page = alices_browser.get("/account/tokens/created")

    assert "no-store" in page["Cache-Control"]
    secret = page.context["secret"]
    assert secret in page.text
    assert access_tokens.find(secret).user == alice
    again = alices_browser.get("/account/tokens/created")
    assert again["Location"] == "/account/tokens"
    assert secret not in alices_browser.get("/account/tokens").text
    assert secret not in str(dict(alices_browser.session))


def test_says_what_to_paste_with_docker_first(alices_browser):
    make(alices_browser)
    page = alices_browser.get("/account/tokens/created")
    main = page.text.partition("<main")[2]
    secret = page.context["secret"]

    assert f"echo {secret} | docker login localhost:8080 -u alice --password-stdin" in main
    order = [
        "docker login",
        "podman login",
        "config.json",
        "auth.json",
        "Kubernetes",
        "GitHub Actions",
        "GitLab CI",
        ".dockercfg",
    ]
    assert sorted(order, key=main.index) == order


@pytest.mark.parametrize(
    ("fields", "days"),
    [({"expiry": "30"}, 30), ({"expiry": "365"}, 365), ({"expiry": "never"}, None)],
)
def test_expires_when_it_is_said_to(alices_browser, fields, days):
    make(alices_browser, **fields)
    expires_at = AccessToken.objects.get().expires_at
    if days is None:
        assert expires_at is None
    else:
        left = expires_at - timezone.now()
        assert timedelta(days=days, minutes=-1) < left <= timedelta(days=days)


def test_a_chosen_day_is_good_to_its_end(alices_browser):
    make(alices_browser, expiry="custom", last_day=timezone.localdate().isoformat())
    token = AccessToken.objects.get()
    assert not token.is_expired
    assert timezone.localtime(token.expires_at).date() == timezone.localdate()


def test_lists_tokens_with_their_last_use_and_devices_as_what_they_are(alices_browser, alice):
    token, _secret = access_tokens.create(alice, "laptop", "read")
    access_tokens.note_use(token, "192.0.2.7", "docker/20.10.24 go/go1.19")
    access_tokens.create_for_device(alice, "docker on thinkpad", parent=token)
    access_tokens.create(alice, "old", "read", expires_at=timezone.now() - timedelta(days=1))

    page = alices_browser.get("/account/tokens").text

    assert "docker 20.10.24" in page
    assert "192.0.2.7" in page
    tokens, devices = page.split("Clients that keep a login")
    assert "docker on thinkpad" in devices and "docker on thinkpad" not in tokens
    assert "expired" in tokens


def test_revokes_after_asking(alices_browser, alice):
    token, secret = access_tokens.create(alice, "laptop", "read")
    assert "Revoke “laptop”" in alices_browser.get(f"/account/tokens/{token.pk}/revoke").text
    assert access_tokens.find(secret) is not None

    alices_browser.post(f"/account/tokens/{token.pk}/revoke")

    assert access_tokens.find(secret) is None
    assert AuditEvent.objects.filter(action="access_token.revoked", actor_id=alice.pk).exists()
    assert alices_browser.post(f"/account/tokens/{token.pk}/revoke").status_code == 404


def test_costs_the_same_queries_for_many_tokens(alices_browser, alice, django_assert_num_queries):
    token, _secret = access_tokens.create(alice, "laptop", "read")
    for number in range(20):
        access_tokens.create(alice, f"token {number}", "read")
        access_tokens.create_for_device(alice, f"device {number}", parent=token)
    # Session, user, tokens with what they were made by, and when the session was seen last.
    with django_assert_num_queries(4):
        alices_browser.get("/account/tokens")
