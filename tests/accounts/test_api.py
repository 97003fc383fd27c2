"""The API: who am I, and my access tokens."""

import base64
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts import access_tokens
from accounts.models import AccessToken, AuditEvent

PASSWORD = "alice-password-1"


def basic(username, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{secret}".encode()).decode()}


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


BY_PASSWORD = basic("alice", PASSWORD)


def make(user, scope="delete", **fields):
    return access_tokens.create(user, f"to {scope}", scope, **fields)


@pytest.fixture
def post(client):
    def post(headers, **body):
        return client.post("/api/v1/tokens", body, content_type="application/json", headers=headers)

    return post


# --- Who asks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["/api/v1/me", "/api/v1/tokens", "/api/v1/tokens/1"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("gtp_wrong"),
        bearer(""),
        basic("alice", "wrong"),
        basic("", ""),
        {"Authorization": "Basic !"},
        {"Authorization": "Digest x"},
    ],
)
def test_refuses_who_is_nobody_or_shows_something_wrong(alice, client, url, headers):
    response = (
        client.delete(url, headers=headers) if "/1" in url else client.get(url, headers=headers)
    )
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer ")
    assert len(response.json()["detail"]) > 20


@pytest.mark.parametrize("url", ["/api/v1/search?q=a", "/api/v1/repositories"])
def test_a_wrong_secret_is_refused_where_nobody_may_look(alice, client, url):
    assert client.get(url).status_code == 200
    assert client.get(url, headers=basic("alice", "wrong")).status_code == 401


def test_a_session_is_nobody(alice, client):
    client.force_login(alice)
    assert client.get("/api/v1/me").status_code == 401


def test_me(alice, client):
    token, secret = make(alice, "read")
    for headers in [bearer(secret), basic("alice", secret)]:
        answer = client.get("/api/v1/me", headers=headers).json()
        assert answer["username"] == "alice"
        assert answer["access_token"]["id"] == token.pk
        assert answer["access_token"]["scope"] == "read"
        assert secret not in str(answer)
        assert token.digest not in str(answer)
    for headers in [BY_PASSWORD, basic("Alice@example.com", PASSWORD)]:
        assert client.get("/api/v1/me", headers=headers).json()["access_token"] is None


def test_a_call_with_a_token_costs_one_query_to_know_who_it_is(
    alice, client, django_assert_num_queries
):
    headers = bearer(make(alice)[1])
    client.get("/api/v1/me", headers=headers)
    with django_assert_num_queries(1):
        client.get("/api/v1/me", headers=headers)


# --- Making tokens ------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["read", "write"])
def test_a_small_token_makes_no_other(alice, post, scope):
    response = post(bearer(make(alice, scope)[1]), name="more", scope="read")
    assert response.status_code == 403
    assert scope in response.json()["detail"]
    assert AccessToken.objects.count() == 1


def test_a_device_or_a_token_that_a_token_made_makes_no_other(alice, post):
    device = access_tokens.create_for_device(alice, "docker")
    assert post(bearer(device), name="more", scope="read").status_code == 403
    made = post(bearer(make(alice)[1]), name="child", scope="delete").json()["token"]
    assert post(bearer(made), name="grandchild", scope="read").status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scope": "read"}, "name"),
        ({"name": "", "scope": "read"}, "name"),
        ({"name": "x" * 81, "scope": "read"}, "name"),
        ({"name": "a\0b", "scope": "read"}, "name"),
        ({"name": "x"}, "scope"),
        ({"name": "x", "scope": "admin"}, "scope"),
        ({"name": "x", "scope": ["read"]}, "scope"),
        ({"name": "x", "scope": "read", "expires_at": "soon"}, "expires_at"),
        ({"name": "x", "scope": "read", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "scope": "read", "expires_at": "3001-01-01T00:00:00Z"}, "expires_at"),
    ],
)
def test_says_what_is_wrong_with_a_field(alice, post, body, field):
    response = post(BY_PASSWORD, **body)
    assert response.status_code == 400
    assert list(response.json()) == [field]
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize(
    "body", ["{", "[]", '"text"', "null", "1", "\ud800".encode(errors="replace")]
)
def test_a_body_that_is_no_object_is_refused(alice, client, body):
    response = client.post(
        "/api/v1/tokens", body, content_type="application/json", headers=BY_PASSWORD
    )
    assert response.status_code == 400
    response = client.post(
        "/api/v1/tokens", "name=x", content_type="text/plain", headers=BY_PASSWORD
    )
    assert response.status_code == 415


def test_makes_a_token_and_shows_it_once(alice, client, post):
    response = post(BY_PASSWORD, name="build server", scope="write")
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    made = response.json()
    assert client.get("/api/v1/me", headers=bearer(made["token"])).json()["username"] == "alice"
    days = (parse_datetime(made["expires_at"]) - timezone.now()).days
    assert days in {89, 90}
    event = AuditEvent.objects.get(action="access_token.created")
    assert (event.actor_name, event.address) == ("alice", "127.0.0.1")

    listed = client.get("/api/v1/tokens", headers=BY_PASSWORD).json()["results"]
    assert [token["name"] for token in listed] == ["build server"]
    assert made["token"] not in str(listed)


def test_makes_a_token_that_never_expires_if_it_is_asked_to(alice, post):
    assert post(BY_PASSWORD, name="x", scope="read", expires_at=None).json()["expires_at"] is None


def test_a_token_made_by_a_token_ends_with_it(alice, client, post):
    soon = timezone.now() + timedelta(days=3)
    parent, secret = make(alice, expires_at=soon)
    for wanted in [{}, {"expires_at": None}, {"expires_at": "2030-01-01T00:00:00Z"}]:
        made = post(bearer(secret), name="child", scope="delete", **wanted).json()
        assert parse_datetime(made["expires_at"]) == soon
    event = AuditEvent.objects.filter(action="access_token.created").latest("pk")
    assert event.access_token_id == parent.pk

    client.delete(f"/api/v1/tokens/{parent.pk}", headers=bearer(secret))
    assert client.get("/api/v1/me", headers=bearer(made["token"])).status_code == 401


# --- Listing and revoking -----------------------------------------------------------------------


def test_lists_only_my_own_that_work(alice, bob, client):
    make(bob)
    make(alice, "read")
    access_tokens.revoke(make(alice, "write")[0])
    make(alice, "delete", expires_at=timezone.now() - timedelta(days=1))
    access_tokens.create_for_device(alice, "docker 20.10")
    answer = client.get("/api/v1/tokens", headers=BY_PASSWORD).json()
    assert {(token["kind"], token["name"]) for token in answer["results"]} == {
        ("personal", "to read"),
        ("device", "docker 20.10"),
    }


def test_another_persons_token_is_not_there(alice, bob, client):
    token = make(bob)[0]
    assert client.delete(f"/api/v1/tokens/{token.pk}", headers=BY_PASSWORD).status_code == 404
    assert client.delete("/api/v1/tokens/999999999999", headers=BY_PASSWORD).status_code == 404
    assert AccessToken.objects.usable().filter(pk=token.pk).exists()


@pytest.mark.parametrize("scope", ["read", "write", "delete"])
def test_a_token_may_revoke_itself_and_with_delete_others(alice, client, scope):
    token, secret = make(alice, scope)
    other = make(alice, "read")[0]
    response = client.delete(f"/api/v1/tokens/{other.pk}", headers=bearer(secret))
    assert response.status_code == (204 if scope == "delete" else 403)
    response = client.delete(f"/api/v1/tokens/{token.pk}", headers=bearer(secret))
    assert response.status_code == 204
    assert client.get("/api/v1/me", headers=bearer(secret)).status_code == 401
    assert AuditEvent.objects.filter(action="access_token.revoked", target=token.name).exists()


# --- The document -------------------------------------------------------------------------------


def test_the_document_is_whole_and_without_a_warning(client, tmp_path):
    path = tmp_path / "schema.yml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(path))
    assert "accessToken" in path.read_text()


def test_the_document_is_served_to_everybody(client, db):
    response = client.get("/api/schema/", headers={"Accept": "application/json"})
    assert response.status_code == 200
    assert "/api/v1/me" in response.json()["paths"]


@pytest.mark.parametrize(
    "url", ["/api/", "/api/v1", "/api/v1/nothing", "/api/v2/me", "/api/v1/me/"]
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_address_that_is_not_there_is_told_in_json(client, db, url, method):
    response = getattr(client, method)(url)
    assert response.status_code == 404
    assert "/api/schema/" in response.json()["detail"]
