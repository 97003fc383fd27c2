"""tags/list, _catalog and referrers: to whom, in which order, in which portions."""

import json

import pytest
from django.utils import timezone

from accounts.principals import NOBODY, Principal
from repositories import registry_tokens
from repositories.models import Manifest, PendingWrite, Repository, Tag
from repositories.v2 import MAX_PAGE

ONE, TWO = ("sha256:" + digit * 64 for digit in "12")
TAGS = "/v2/alice/app/tags/list"
REFERRERS = f"/v2/alice/app/referrers/{ONE}"


def token_for(user, name="alice/app", *actions, kind="repository"):
    access = {"type": kind, "name": name, "actions": list(actions or ["pull"])}
    return registry_tokens.sign(Principal(user) if user else NOBODY, [access]).token


def pushed(repository, *tags, digest=ONE):
    manifest, _ = Manifest.objects.get_or_create(repository=repository, digest=digest)
    for tag in tags:
        Tag.objects.create(
            repository=repository, name=tag, manifest=manifest, pushed_at=timezone.now()
        )
    Repository.objects.filter(pk=repository.pk).update(pushed_at=timezone.now())
    return manifest


@pytest.fixture
def get(client):
    def send(address, token="", **headers):
        if token:
            headers["Authorization"] = f"Bearer {token}"
        response = client.get(address, headers=headers)
        assert response["Docker-Distribution-API-Version"] == "registry/2.0"
        return response

    return send


def challenge(scope, error=""):
    value = f'Bearer realm="http://localhost:8080/token",service="localhost:8080",scope="{scope}"'
    return value + (f',error="{error}"' if error else "")


@pytest.mark.parametrize("address", [TAGS, REFERRERS, "/v2/_catalog"])
def test_without_a_token_that_is_good_for_it_there_is_a_challenge(get, alices_app, alice, address):
    pushed(alices_app, "1.0")
    is_catalog = address.endswith("_catalog")
    scope = "registry:catalog:*" if is_catalog else "repository:alice/app:pull"
    tokens = {
        "": "",
        "rubbish": "invalid_token",
        token_for(alice, "alice/other"): "insufficient_scope",
        token_for(alice, "alice/app", "push", "delete"): "insufficient_scope",
        token_for(alice, "alice/app", kind="registry"): "insufficient_scope",
        registry_tokens.sign(Principal(alice), []).token: "insufficient_scope",
    }
    for token, error in tokens.items():
        response = get(address, token)
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == challenge(scope, error)
        assert response.json()["errors"][0]["code"] == "UNAUTHORIZED"


def test_a_stranger_learns_nothing_of_a_private_repository(get, alices_secret, bob):
    pushed(alices_secret, "1.0")
    token = registry_tokens.sign(Principal(bob), []).token
    answers = [get(f"/v2/alice/{name}/tags/list", token) for name in ["secret", "nothing"]]
    challenges = [answer["WWW-Authenticate"].replace("nothing", "secret") for answer in answers]
    assert challenges[0] == challenges[1]
    assert answers[0].content == answers[1].content.replace(b"nothing", b"secret")
    assert b"/why/not-found?path=alice/secret" in answers[0].content


@pytest.mark.parametrize("path", ["Alice/App", "alice/app/deep", "alice/a%00pp", "staff/x", "a..b"])
def test_names_that_can_be_no_repository(get, db, path):
    response = get(f"/v2/{path}/tags/list")
    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "NAME_INVALID"


@pytest.mark.parametrize("address", [TAGS, REFERRERS, "/v2/_catalog"])
def test_can_only_be_read(client, alices_app, address):
    assert client.post(address).status_code == 405
    assert client.delete(address).json()["errors"][0]["code"] == "UNSUPPORTED"


def test_no_such_repository_for_who_might_see_it(get, alice, alices_app):
    for path in ["alice/nothing", "alice/app"]:  # the second has no image yet
        response = get(f"/v2/{path}/tags/list", token_for(alice, path))
        assert response.status_code == 404
        assert response.json()["errors"][0]["code"] == "NAME_UNKNOWN"


def test_tags_are_sorted_as_bytes(get, alices_app, alice):
    pushed(alices_app, "b", "a", "B", "10", "9", "_x", "1.0", "1-0")
    response = get(TAGS, token_for(alice))
    assert response.json() == {
        "name": "alice/app",
        "tags": ["1-0", "1.0", "10", "9", "B", "_x", "a", "b"],
    }
    assert "Link" not in response


def test_tags_in_pages(get, alices_app, alice):
    pushed(alices_app, *"abcde")
    found, address, pages = [], TAGS + "?n=2", 0
    while address:
        response = get(address, token_for(alice))
        found += response.json()["tags"]
        link = response.get("Link", "")
        address, pages = link.partition(">")[0].removeprefix("<"), pages + 1
        assert not link or link.endswith('; rel="next"')
    assert (found, pages) == (list("abcde"), 3)


@pytest.mark.parametrize(
    ("query", "tags"),
    [
        ("n=0", []),
        ("n=2", ["a", "b"]),
        ("n=5", list("abcde")),
        ("n=99999999999999999999", list("abcde")),
        ("last=c", ["d", "e"]),
        ("n=1&last=c", ["d"]),
        ("last=bb", ["c", "d", "e"]),
        ("last=z", []),
        ("last=%00", list("abcde")),
        ("last=%F0%9F%90%B3", []),
    ],
)
def test_part_of_the_tags(get, alices_app, alice, query, tags):
    pushed(alices_app, *"abcde")
    assert get(f"{TAGS}?{query}", token_for(alice)).json()["tags"] == tags


@pytest.mark.parametrize("number", ["-1", "x", "1.5", "٣"])
def test_a_number_that_is_none(get, alices_app, alice, number):
    response = get(f"{TAGS}?n={number}", token_for(alice))
    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "PAGINATION_NUMBER_INVALID"


def test_nobody_gets_more_than_a_page(get, alices_app, alice, monkeypatch):
    assert MAX_PAGE == 10_000
    monkeypatch.setattr("repositories.v2.MAX_PAGE", 2)
    pushed(alices_app, *"abc")
    response = get(TAGS, token_for(alice))
    assert response.json()["tags"] == ["a", "b"]
    assert "last=b" in response["Link"]


def test_library(get, debian, bob):
    pushed(debian, "12")
    for address in ["/v2/debian/tags/list", "/v2/library/debian/tags/list"]:
        assert get(address, token_for(bob, "debian")).json() == {"name": "debian", "tags": ["12"]}


def test_costs_the_same_queries_for_many_tags(get, alices_app, alice, django_assert_num_queries):
    pushed(alices_app, *[f"v{number}" for number in range(40)])
    token = token_for(alice)
    with django_assert_num_queries(3):  # what is pending, the repository, its tags
        get(TAGS, token)


# --- A list right after a push ---------------------------------------------------------------


def test_a_push_that_was_not_reported_yet_is_in_the_list(get, alices_app, alice, fake_registry):
    fake_registry.push("alice/app", "1.0")
    PendingWrite.objects.create(method="PUT", path="alice/app", reference="1.0", username="alice")
    assert get(TAGS, token_for(alice)).json()["tags"] == ["1.0"]
    assert not PendingWrite.objects.exists()


def test_a_registry_that_is_away_holds_up_no_list(get, alices_app, alice, fake_registry):
    pushed(alices_app, "0.9")
    PendingWrite.objects.create(method="PUT", path="alice/app", reference="1.0", username="alice")
    fake_registry.fault = lambda method, address: "503"
    assert get(TAGS, token_for(alice)).json()["tags"] == ["0.9"]
    assert PendingWrite.objects.exists()


# --- The catalogue ---------------------------------------------------------------------------


@pytest.fixture
def four(alices_app, alices_secret, debian, bob):
    other = Repository.objects.create(namespace=bob.namespace, name="app-x")
    Repository.objects.create(namespace=bob.namespace, name="empty")
    for repository in [alices_app, alices_secret, debian, other]:
        pushed(repository, "1")


def catalog_of(get, user, query=""):
    token = token_for(user, "catalog", "*", kind="registry")
    return get(f"/v2/_catalog{query}", token)


@pytest.mark.parametrize(
    ("who", "paths"),
    [
        (None, ["alice/app", "bob/app-x", "debian"]),
        ("bob", ["alice/app", "bob/app-x", "debian"]),
        ("sam", ["alice/app", "bob/app-x", "debian"]),
        ("alice", ["alice/app", "alice/secret", "bob/app-x", "debian"]),
    ],
)
def test_the_catalogue_holds_what_one_may_pull(get, four, django_user_model, who, paths):
    user = django_user_model.objects.get(username=who) if who else None
    assert catalog_of(get, user).json() == {"repositories": paths}


def test_the_catalogue_in_pages(get, four):
    response = catalog_of(get, None, "?n=2")
    assert response.json() == {"repositories": ["alice/app", "bob/app-x"]}
    assert response["Link"] == '</v2/_catalog?last=bob%2Fapp-x&n=2>; rel="next"'
    assert catalog_of(get, None, "?last=bob%2Fapp-x&n=2").json() == {"repositories": ["debian"]}


def test_the_catalogue_of_a_blocked_account(get, four, alice):
    token = token_for(alice, "catalog", "*", kind="registry")
    alice.is_active = False
    alice.save()
    response = get("/v2/_catalog", token)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == challenge("registry:catalog:*", "invalid_token")


# --- Referrers --------------------------------------------------------------------------------


def test_referrers(get, alices_app, alices_secret, alice):
    fields = {"subject_digest": ONE, "media_type": "application/vnd.oci.image.manifest.v1+json"}
    for number, artifact_type in enumerate(["text/sbom", "text/signature"], start=1):
        Manifest.objects.create(
            repository=alices_app,
            digest=f"sha256:{number:064x}",
            artifact_type=artifact_type,
            annotations={"by": "alice"},
            content=b"12345",
            **fields,
        )
    gone = timezone.now()
    Manifest.objects.create(repository=alices_app, digest=TWO, missing_since=gone, **fields)
    Manifest.objects.create(repository=alices_secret, digest=TWO, **fields)

    response = get(REFERRERS, token_for(alice))

    assert response["Content-Type"] == "application/vnd.oci.image.index.v1+json"
    body = json.loads(response.content)
    assert (body["schemaVersion"], body["mediaType"]) == (2, response["Content-Type"])
    assert body["manifests"][0] == {
        "mediaType": fields["media_type"],
        "digest": f"sha256:{1:064x}",
        "size": 5,
        "artifactType": "text/sbom",
        "annotations": {"by": "alice"},
    }
    assert len(body["manifests"]) == 2

    filtered = get(f"{REFERRERS}?artifactType=text/signature", token_for(alice))
    assert filtered["OCI-Filters-Applied"] == "artifactType"
    (found,) = json.loads(filtered.content)["manifests"]
    assert found["digest"] == f"sha256:{2:064x}"


def test_no_referrers(get, alices_app, alice):
    for path in ["alice/app", "alice/nothing"]:
        response = get(f"/v2/{path}/referrers/{ONE}", token_for(alice, path))
        assert response.status_code == 200
        assert json.loads(response.content)["manifests"] == []


@pytest.mark.parametrize("digest", ["x", "sha256:1", "sha256:" + "z" * 64])
def test_referrers_of_what_is_no_digest(get, alices_app, alice, digest):
    response = get(f"/v2/alice/app/referrers/{digest}", token_for(alice))
    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "DIGEST_INVALID"
