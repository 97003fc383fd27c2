"""GET and POST /token, as docker, podman, containerd and BuildKit ask."""

import base64

import jwt
import pytest

from accounts import access_tokens, limits
from accounts.models import AccessToken, AuditEvent, LoginFailure, RememberedPassword
from repositories import registry_tokens
from repositories.access import access_to
from repositories.token_endpoint import REGISTRY_ACTIONS, BadRequest, device_name, parse_scopes

SERVICE = "localhost:8080"
PASSWORD = "alice-password-1"
DOCKER = (
    "docker/20.10.24+dfsg1 go/go1.19.8 git-commit/5d6db84 kernel/6.1 os/linux arch/amd64 "
    "UpstreamClient(Docker-Client/20.10.24+dfsg1 \\(linux\\))"
)


def basic(username, secret):
    return "Basic " + base64.b64encode(f"{username}:{secret}".encode()).decode()


@pytest.fixture
def get(client):
    def get(*scopes, login=None, **parameters):
        headers = {"User-Agent": DOCKER}
        if login:
            headers["Authorization"] = basic(*login) if isinstance(login, tuple) else login
        query = {"service": SERVICE, "scope": list(scopes), **parameters}
        return client.get("/token", query, headers=headers)

    return get


@pytest.fixture
def post(client):
    def post(*scopes, **form):
        form = {"service": SERVICE, "scope": list(scopes), "client_id": "containerd-client", **form}
        return client.post("/token", {name: value for name, value in form.items() if value})

    return post


@pytest.fixture
def token(alice):
    return access_tokens.create(alice, "laptop", "write")[1]


def granted(response):
    """What the registry token of an answer allows: ``{"alice/app": "pull push"}``."""
    assert response.status_code == 200, response.content
    assert response.json()["token"] == response.json()["access_token"]
    access = registry_tokens.verify(response.json()["token"])["access"]
    return {grant["name"]: " ".join(grant["actions"]) for grant in access}


# --- Refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "login",
    [
        ("alice", "wrong"),
        ("alice", ""),
        ("", "wrong"),
        ("nobody", PASSWORD),
        ("alice", "gtp_" + "0" * 42),
        ("alice\0", PASSWORD),
        "Basic not-base64!",
        "Basic",
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Bearer something",
    ],
)
@pytest.mark.parametrize("scope", [[], ["repository:alice/app:pull"]])
def test_a_wrong_secret_is_always_refused(alices_app, get, login, scope):
    response = get(*scope, login=login)
    assert response.status_code == 401
    text = response.json()["details"]
    assert text.isascii() and len(text) > 20
    assert response.json()["errors"] == [{"code": "UNAUTHORIZED", "message": text, "detail": None}]
    assert response["WWW-Authenticate"].startswith("Basic ")
    assert response["Cache-Control"] == "no-store"


def test_a_wrong_secret_by_post_is_refused_and_counts_once_with_the_get_after_it(alice, post, get):
    for _ in range(5):
        assert post(grant_type="password", username="alice", password="wrong").status_code == 401
        assert get(login=("alice", "wrong")).status_code == 401
    assert LoginFailure.objects.count() == 1


def test_a_guesser_waits(alice, get, token):
    for number in range(10):
        get(login=("alice", f"wrong {number}"))
    response = get(login=("alice", PASSWORD))
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= limits.PER_NAME_AND_ADDRESS[1].total_seconds()
    assert response.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
    assert "wait" in response.json()["details"]
    assert get(login=("alice", token)).status_code == 200


@pytest.mark.parametrize("change", ["revoked", "blocked", "deleted"])
def test_a_token_that_ended_is_refused_by_get_and_post(alice, token, get, post, change):
    device = get(login=("alice", token), offline_token="true").json()["refresh_token"]
    if change == "revoked":
        access_tokens.revoke(AccessToken.objects.get(kind="personal"))
    elif change == "blocked":
        alice.is_active = False
        alice.save()
    else:
        alice.delete()
    assert get(login=("alice", token)).status_code == 401
    assert post(grant_type="refresh_token", refresh_token=device).status_code == 401
    assert post(grant_type="password", username="alice", password=token).status_code == 401


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": "password", "service": "elsewhere"}, "invalid_request"),
    ],
)
def test_a_malformed_post_is_told_so(db, post, form, error):
    response = post(**form)
    assert response.status_code == 400
    assert response.json()["error"] == error
    assert response.json()["details"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", "application/json"),
        (b"\0" * 100, "application/x-www-form-urlencoded"),
        (
            b"&".join(b"a=%d" % number for number in range(5000)),
            "application/x-www-form-urlencoded",
        ),
        (b"x" * (1024 * 1024 + 1), "application/x-www-form-urlencoded"),
        (b"broken", "multipart/form-data"),
        (b"", "multipart/form-data; boundary=x"),
    ],
)
def test_any_body_gets_an_answer_that_clients_can_read(db, client, body, content_type):
    response = client.post("/token", body, content_type=content_type)
    assert response.status_code == 400
    assert response.json()["errors"][0]["message"]


def test_another_service_is_refused_and_none_is_ours(db, get):
    assert get(service="elsewhere").status_code == 400
    assert get(service="").status_code == 200


def test_too_many_or_too_long_scopes_are_refused(db, get):
    assert get(*(f"repository:alice/app{n}:pull" for n in range(21))).status_code == 400
    assert get("repository:alice/app:" + "pull," * 1000).status_code == 400
    assert granted(get(*["repository:alice/app:pull"] * 50)) == {}


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(db, client, method):
    response = getattr(client, method)("/token")
    assert response.status_code == 405
    assert "POST" in response["Allow"]


def test_options_and_head(db, client):
    assert client.options("/token").status_code == 204
    response = client.head("/token")
    assert response.status_code == 200
    assert response.content == b""


# --- What is granted ------------------------------------------------------------------------


SCOPES = {
    "repository:alice/app:pull": {"alice/app": "pull"},
    "repository:alice/app:push,pull": {"alice/app": "pull push"},
    "repository:alice/app:push": {"alice/app": "pull push"},
    "repository:alice/app:delete": {"alice/app": "delete"},
    "repository:alice/app:*": {"alice/app": "pull push delete"},
    "repository:alice/app:admin": {},
    "repository:alice/new:pull,push": {"alice/new": "pull push"},
    "repository(plugin):alice/app:pull": {"alice/app": "pull"},
    "repository:bob/app:pull,push": {},
    "repository:debian:pull,push": {"debian": "pull"},
    "repository:library/debian:pull": {"debian": "pull"},
    "repository:library/alice/app:pull": {},
    "registry:catalog:*": {"catalog": "*"},
    "registry:catalog:search": {},
    "registry:other:*": {},
    "repository:alice/app:pull repository:alice/secret:pull": {
        "alice/app": "pull",
        "alice/secret": "pull",
    },
    "repository:alice/app:pull repository:alice/app:push": {"alice/app": "pull push"},
    "repository:Alice/App:pull": {},
    "repository:localhost:8080/alice/app:pull": {},
    "repository:alice/app/deep:pull": {},
    "repository:alice%2Fapp:pull": {},
    "repository:../alice/app:pull": {},
    "repository:alice/app": {},
    "repository:alice/app:": {},
    "repository::pull": {},
    "repository": {},
    ":::": {},
    "": {},
    "plugin:alice/app:pull": {},
    "repository:alice/a\0pp:pull": {},
    "repository:名字:pull": {},
}


@pytest.mark.parametrize("scope", SCOPES)
def test_what_alice_gets(alices_app, alices_secret, debian, get, post, scope):
    expected = SCOPES[scope]
    assert granted(get(scope, login=("alice", PASSWORD))) == expected
    # The other surface gives the same, and says it.
    answer = post(scope, grant_type="password", username="alice", password=PASSWORD)
    assert granted(answer) == expected
    said = {}
    for part in answer.json()["scope"].split():
        _kind, name, actions = part.split(":")
        said[name] = actions.replace(",", " ")
    assert said == expected


def test_several_scopes_come_in_one_parameter_or_in_several(alices_app, alices_secret, get):
    both = ["repository:alice/app:pull", "repository:alice/secret:pull"]
    login = ("alice", PASSWORD)
    assert granted(get(*both, login=login)) == granted(get(" ".join(both), login=login))


def test_a_mount_from_a_private_repository_of_somebody_else_leaves_out_that_entry_only(
    alices_secret, bob, get
):
    scopes = ["repository:bob/app:pull,push", "repository:alice/secret:pull"]
    assert granted(get(*scopes, login=("bob", "bob-password-1"))) == {"bob/app": "pull push"}


def test_a_stranger_gets_the_same_for_a_private_repository_as_for_none(alices_secret, get):
    private, missing = (get(f"repository:alice/{name}:*") for name in ["secret", "nothing"])
    assert granted(private) == granted(missing) == {}
    assert private.json().keys() == missing.json().keys()


@pytest.mark.parametrize("path", ["alice/app", "alice/secret", "alice/new", "debian", "bob/x"])
@pytest.mark.parametrize("scope", ["read", "write", "delete", None])
@pytest.mark.parametrize("name", ["alice", "carol", "sam"])
def test_agrees_with_the_table_of_access(
    alice, carol, sam, alices_app, alices_secret, debian, get, path, scope, name
):
    user = {"alice": alice, "carol": carol, "sam": sam}[name]
    secret = access_tokens.create(user, "t", scope)[1] if scope else f"{name}-password-1"
    response = get(f"repository:{path}:*", login=(name, secret))
    principal = registry_tokens.principal_of(response.json()["token"])
    assert principal.user == user
    assert principal.scope == scope
    expected = access_to(principal, path).actions & set(REGISTRY_ACTIONS)
    assert set(granted(response).get(path, "").split()) == expected


# --- The answer -----------------------------------------------------------------------------


def test_the_answer_of_a_login(alice, get):
    response = get(login=("alice", PASSWORD), account="alice", client_id="docker")
    body = response.json()
    assert body["expires_in"] == 300
    assert body["issued_at"].endswith("Z")
    assert "refresh_token" not in body
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies
    assert len(response.content) < 4096
    header = jwt.get_unverified_header(body["token"])
    assert header["alg"] == "ES256"
    assert registry_tokens.verify(body["token"])["sub"] == "alice"


def test_who_says_nothing_or_an_empty_pair_is_nobody(alices_app, get):
    for login in [None, ("", "")]:
        response = get("repository:alice/app:pull", login=login, offline_token="true")
        assert granted(response) == {"alice/app": "pull"}
        assert registry_tokens.verify(response.json()["token"])["sub"] == ""
        assert "refresh_token" not in response.json()


# --- What docker login keeps on a device ------------------------------------------------------


def test_docker_login_gets_a_token_of_its_own_that_its_owner_can_revoke(alices_app, get, post):
    answer = get(login=("alice", PASSWORD), offline_token="true", client_id="docker").json()
    device = AccessToken.objects.get()
    assert device.kind == AccessToken.Kind.DEVICE
    assert device.name == "docker 20.10.24"
    assert AuditEvent.objects.get(action="device_token.created").actor_name == "alice"

    scope = "repository:alice/app:pull,push"
    again = post(scope, grant_type="refresh_token", refresh_token=answer["refresh_token"])
    assert granted(again) == {"alice/app": "pull push"}
    assert again.json()["refresh_token"] == answer["refresh_token"]

    access_tokens.revoke(device)
    refused = post(scope, grant_type="refresh_token", refresh_token=answer["refresh_token"])
    assert refused.status_code == 401
    assert "revoked" in refused.json()["details"]


def test_a_device_may_no_more_than_the_token_that_it_logged_in_with(alices_app, token, get, post):
    form = {"grant_type": "password", "username": "alice", "access_type": "offline"}
    device = post(password=token, **form).json()["refresh_token"]
    answer = post("repository:alice/app:*", grant_type="refresh_token", refresh_token=device)
    assert granted(answer) == {"alice/app": "pull push"}


def test_a_device_token_as_password_makes_no_other_one(alice, get):
    device = access_tokens.create_for_device(alice, "docker")
    for username in ["alice", "", "<token>"]:
        answer = get(login=(username, device), offline_token="true")
        assert answer.json()["refresh_token"] == device
    assert AccessToken.objects.count() == 1


def test_device_names_are_for_people():
    assert device_name(DOCKER, "docker") == "docker 20.10.24"
    assert device_name("", "buildkit-client") == "buildkit-client"
    assert device_name("", "") == "unknown client"
    assert device_name("evil\x1b[31m/1", "") == "evil[31m 1"


# --- Costs ----------------------------------------------------------------------------------


def test_nobody_costs_one_query(alices_app, get, django_assert_num_queries):
    get("repository:alice/app:pull")
    with django_assert_num_queries(1):
        get("repository:alice/app:pull")
    with django_assert_num_queries(0):
        get()


@pytest.mark.parametrize("kind", ["token", "password"])
def test_a_login_that_was_seen_before_costs_two_queries(
    alices_app, token, get, django_assert_num_queries, kind
):
    login = ("alice", token if kind == "token" else PASSWORD)
    get(login=login)
    with django_assert_num_queries(2):
        get("repository:alice/app:pull,push", login=login)


def test_no_password_is_hashed_for_a_token(alice, token, get, monkeypatch):
    def fail(*_arguments):
        raise AssertionError("hashed")

    monkeypatch.setattr("accounts.models.User.check_password", fail)
    assert get(login=("alice", token)).status_code == 200
    assert not RememberedPassword.objects.exists()


# --- Scopes, pure -----------------------------------------------------------------------------


def test_scopes_are_merged_by_path():
    asked = parse_scopes(["repository:a/b:pull", "", "repository:a/b:push registry:catalog:*"])
    assert asked.actions == {"a/b": {"pull", "push"}}
    assert asked.catalog


def test_twenty_repositories_are_enough():
    scopes = [f"repository:a/b{number}:pull" for number in range(20)]
    assert len(parse_scopes(scopes).actions) == 20
    with pytest.raises(BadRequest):
        parse_scopes([*scopes, "repository:a/c:pull"])
