"""GET /gate: what is refused and why, and what is announced."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import access_tokens
from accounts.principals import NOBODY, Principal
from repositories import registry_tokens
from repositories.gate import NotAWrite, Write, parse
from repositories.models import PendingWrite

ONE = "sha256:" + "1" * 64
UPLOAD = "/v2/alice/app/blobs/uploads/"
MANIFEST = "/v2/alice/app/manifests/1.0"


def grant(path="alice/app", actions=("pull", "push", "delete")):
    return {"type": "repository", "name": path, "actions": list(actions)}


def token_of(user, *access, scope=None):
    """A registry token with everything in it, whatever ``user`` may."""
    principal = Principal(user) if user else NOBODY
    if scope:
        row, _secret = access_tokens.create(user, "laptop", scope)
        principal = Principal.of_token(user, row)
    return registry_tokens.sign(principal, access or [grant()]).token


@pytest.fixture
def ask(client):
    def send(method, address, token="", **headers):
        headers |= {"X-Forwarded-Method": method, "X-Forwarded-Uri": address}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return client.get("/gate", headers={"X-Real-IP": "192.0.2.7", **headers})

    return send


def denial(response) -> str:
    assert response.status_code == 403
    (error,) = response.json()["errors"]
    assert error["code"] == "DENIED"
    assert error["message"].isascii()
    return error["message"]


NOT_WRITES = [
    ("GET", MANIFEST),
    ("HEAD", MANIFEST),
    ("PATCH", UPLOAD + "x"),
    ("POST", MANIFEST),
    ("PUT", UPLOAD),
    ("", ""),
    ("POST", ""),
    ("POST", "/v2//blobs/uploads/"),
    ("POST", "/v2/Alice/App/blobs/uploads/"),
    ("POST", "/v2/host:1/app/blobs/uploads/"),
    ("POST", "/v2/alice/app/deep/blobs/uploads/"),
    ("POST", "/v2/alice/../bob/app/blobs/uploads/"),
    ("POST", "/v2/alice/%2e%2e/bob/app/blobs/uploads/"),
    ("POST", "/v2/alice%252Fapp/blobs/uploads/"),
    ("POST", "/v2/alice/app%00/blobs/uploads/"),
    ("POST", "/v2/alice/app%0a/blobs/uploads/"),
    ("POST", "/v2/alice/%ff/blobs/uploads/"),
    ("POST", "/v2/alice/app/blobs/uploads/x"),
    ("POST", "/v2/staff/blobs/uploads/"),
    ("POST", "/v2/staff/app/blobs/uploads/"),
    ("POST", "/x/v2/alice/app/blobs/uploads/"),
    ("PUT", "/v2/alice/app/manifests/"),
    ("PUT", "/v2/alice/app/manifests/a%20b"),
    ("PUT", "/v2/alice/app/manifests/1.0/"),
    ("PUT", "/v2/alice/app/manifests/sha512:" + "0" * 128),
    ("PUT", "/v2/alice/app/manifests/" + "a" * 129),
    ("DELETE", "/v2/alice/app/blobs/" + ONE),
]


@pytest.mark.parametrize(("method", "address"), NOT_WRITES)
def test_refuses_what_it_can_not_parse(ask, alice, method, address):
    with pytest.raises(NotAWrite):
        parse(method, address)
    response = ask(method, address, token_of(alice))
    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "NAME_INVALID"
    assert not PendingWrite.objects.exists()


@pytest.mark.parametrize(
    ("method", "address", "write"),
    [
        ("POST", UPLOAD, Write("POST", "alice/app")),
        ("POST", "/v2/alice/app/blobs/uploads", Write("POST", "alice/app")),
        ("POST", UPLOAD + "?mount=x&from=bob/app", Write("POST", "alice/app")),
        ("POST", "/v2/alice%2Fapp/blobs/uploads/", Write("POST", "alice/app")),
        ("POST", "/v2/%61lice/app/blobs/uploads/", Write("POST", "alice/app")),
        ("POST", "/v2/debian/blobs/uploads/", Write("POST", "debian")),
        ("POST", "/v2/library/debian/blobs/uploads/", Write("POST", "debian")),
        ("PUT", MANIFEST, Write("PUT", "alice/app", "1.0")),
        ("PUT", f"/v2/debian/manifests/{ONE}", Write("PUT", "debian", ONE)),
        ("DELETE", "/v2/debian/manifests/sha256%3A" + "1" * 64, Write("DELETE", "debian", ONE)),
        ("PUT", "/v2/a1/manifests/manifests/x", Write("PUT", "a1/manifests", "x")),
    ],
)
def test_reads_an_address_as_the_registry_does(method, address, write):
    assert parse(method, address) == write


def test_is_asked_by_get_alone(client, db):
    assert client.post("/gate").status_code == 405
    response = client.get("/gate")
    assert response.status_code == 400
    assert not response.cookies


def test_an_upload_without_a_good_token_gets_the_registrys_own_challenge(ask, alice):
    assert ask("POST", UPLOAD).status_code == 204
    assert ask("POST", UPLOAD, "rubbish").status_code == 204
    token = token_of(alice)
    alice.is_active = False
    alice.save()
    assert ask("POST", UPLOAD, token).status_code == 204


def test_an_upload_with_the_right_but_a_token_too_small_passes(ask, alice):
    assert ask("POST", UPLOAD, token_of(alice, grant(actions=["pull"]))).status_code == 204


def test_an_upload_is_refused_with_the_reason(ask, alices_app, bob, debian):
    assert "log in to push" in denial(ask("POST", UPLOAD, token_of(None)))
    assert "alice/ is not your namespace, bob" in denial(ask("POST", UPLOAD, token_of(bob)))
    top_level = denial(ask("POST", "/v2/debian/blobs/uploads/", token_of(bob)))
    assert "push to bob/debian instead" in top_level
    assert top_level == denial(ask("POST", "/v2/library/debian/blobs/uploads/", token_of(bob)))
    assert not PendingWrite.objects.exists()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_stranger_learns_nothing_of_a_private_repository(ask, alices_secret, bob, method):
    ending = "blobs/uploads/" if method == "POST" else "manifests/1.0"
    private = ask(method, f"/v2/alice/secret/{ending}", token_of(bob, grant("alice/secret")))
    missing = ask(method, f"/v2/alice/nothing/{ending}", token_of(bob, grant("alice/nothing")))
    assert denial(private) == denial(missing).replace("nothing", "secret")


@pytest.mark.parametrize(("method", "actions"), [("PUT", "pull,push"), ("DELETE", "delete")])
def test_a_manifest_never_passes_without_a_name_behind_it(ask, alices_app, alice, method, actions):
    response = ask(method, MANIFEST)
    assert response.status_code == 401
    challenge = (
        'Bearer realm="http://localhost:8080/token",service="localhost:8080",'
        f'scope="repository:alice/app:{actions}"'
    )
    assert response["WWW-Authenticate"] == challenge
    assert response.json()["errors"][0]["code"] == "UNAUTHORIZED"

    own = registry_tokens.own_token([grant()])
    blocked = token_of(alice)
    alice.is_active = False
    alice.save()
    for token in ["rubbish", own, blocked]:
        response = ask(method, MANIFEST, token)
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == challenge + ',error="invalid_token"'
    assert not PendingWrite.objects.exists()


def test_a_revoked_access_token_ends_at_once(ask, alice):
    row, _secret = access_tokens.create(alice, "laptop", "write")
    token = registry_tokens.sign(Principal.of_token(alice, row), [grant()]).token
    assert ask("PUT", MANIFEST, token).status_code == 204
    access_tokens.revoke(row)
    assert ask("PUT", MANIFEST, token).status_code == 401


def test_a_manifest_is_refused_by_today_s_rights(ask, alices_app, alice, bob):
    assert "not your namespace" in denial(ask("PUT", MANIFEST, token_of(bob)))
    assert "may only read" in denial(ask("PUT", MANIFEST, token_of(alice, scope="read")))
    alice.must_confirm_email = True
    alice.save()
    assert "confirm your e-mail" in denial(ask("PUT", MANIFEST, token_of(alice)))
    assert not PendingWrite.objects.exists()


def test_a_deletion_is_refused_with_the_reason(ask, alices_app, alice, bob):
    address = f"/v2/alice/app/manifests/{ONE}"
    assert "log in to delete" in denial(ask("DELETE", address, token_of(None)))
    assert "not yours to delete from, bob" in denial(ask("DELETE", address, token_of(bob)))
    message = denial(ask("DELETE", address, token_of(alice, scope="write")))
    assert "may only write" in message and "scope delete" in message
    assert ask("DELETE", address, token_of(alice, scope="delete")).status_code == 204
    assert PendingWrite.objects.get().method == "DELETE"


def test_a_manifest_that_passes_is_announced(ask, alice):
    token = token_of(alice, scope="write")
    response = ask("PUT", MANIFEST, token, **{"User-Agent": "docker/20.10"})
    assert response.status_code == 204
    write = PendingWrite.objects.get()
    assert (write.method, write.path, write.reference) == ("PUT", "alice/app", "1.0")
    assert (write.username, write.client) == ("alice", "docker/20.10")
    assert (write.access_token_id, write.address) == (alice.access_tokens.get().pk, "192.0.2.7")
    assert timezone.now() - write.announced_at < timedelta(minutes=1)


def test_library_is_announced_under_its_short_name(ask, debian, carol):
    token = token_of(carol, grant("debian"))
    assert ask("PUT", "/v2/library/debian/manifests/12", token).status_code == 204
    assert PendingWrite.objects.get().path == "debian"


def test_a_token_that_the_registry_will_refuse_announces_nothing(ask, alice):
    for actions in [["pull"], ["push"], ["delete"], []]:
        assert ask("PUT", MANIFEST, token_of(alice, grant(actions=actions))).status_code == 204
    assert ask("PUT", MANIFEST, token_of(alice, grant("alice/other"))).status_code == 204
    assert not PendingWrite.objects.exists()


def test_costs_few_queries(ask, alice, alices_app, django_assert_num_queries):
    token = token_of(alice, scope="write")
    # Who, which repository; the lock, what it is for (a collection, a deletion), the announcement.
    with django_assert_num_queries(6):
        ask("PUT", MANIFEST, token)


def test_every_refusal_says_where_to_cure_it(ask, alice, bob, debian):
    for token in [token_of(None), token_of(bob), token_of(alice, scope="read")]:
        assert re.search(r"localhost:8080", denial(ask("POST", UPLOAD, token)))
