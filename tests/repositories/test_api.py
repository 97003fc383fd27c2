"""The API: repositories, tags, search. Rights are the ones of the table in test_access.py."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from accounts import access_tokens
from accounts.models import AuditEvent
from accounts.principals import NOBODY, Principal
from repositories.access import Action, access_to
from repositories.models import Manifest, ManifestPart, Repository, Tag

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def by_password(user):
    secret = base64.b64encode(f"{user.username}:{user.username}-password-1".encode()).decode()
    return {"Authorization": f"Basic {secret}"}


def by_token(user, scope):
    return {"Authorization": f"Bearer {access_tokens.create(user, 't', scope)[1]}"}


def pushed(repository, *, when=LONG_AGO):
    repository.pushed_at = when
    repository.save()
    return repository


def tag_of(repository, name, number=1, **fields):
    manifest, _new = Manifest.objects.get_or_create(
        repository=repository,
        digest=f"sha256:{number:064x}",
        defaults={"kind": "image", "os": "linux", "architecture": "arm64", "size_bytes": 5},
    )
    return Tag.objects.create(
        repository=repository, name=name, manifest=manifest, pushed_at=LONG_AGO, **fields
    )


@pytest.fixture
def api(client):
    class Api:
        def get(self, path, headers=None):
            return client.get(f"/api/v1/{path}", headers=headers or {})

        def post(self, headers=None, **body):
            return client.post(
                "/api/v1/repositories",
                body,
                content_type="application/json",
                headers=headers or {},
            )

        def patch(self, path, headers=None, /, **body):
            return client.patch(
                f"/api/v1/repositories/{path}",
                body,
                content_type="application/json",
                headers=headers or {},
            )

    return Api()


def paths(response):
    assert response.status_code == 200, response.content
    return [repository["path"] for repository in response.json()["results"]]


# --- Looking ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["alice/app", "alice/secret", "alice/nothing", "debian", "Bad/X"])
@pytest.mark.parametrize("who", ["nobody", "alice", "bob", "carol", "sam"])
@pytest.mark.parametrize("scope", ["read", "write", "delete", None])
def test_agrees_with_the_table_of_access(
    api, alice, bob, carol, sam, alices_app, alices_secret, debian, path, who, scope
):
    people = {"alice": alice, "bob": bob, "carol": carol, "sam": sam}
    if who == "nobody":
        headers, principal = {}, NOBODY
    elif scope is None:
        headers, principal = by_password(people[who]), Principal(people[who])
    else:
        headers, principal = by_token(people[who], scope), Principal(people[who], scope)
    access = access_to(principal, path)

    response = api.get(f"repositories/{path}", headers)
    if access.repository is None:
        assert response.status_code == 404
        assert api.get(f"repositories/{path}/tags", headers).status_code == 404
    else:
        assert set(response.json()["actions"]) == access.actions
        assert api.get(f"repositories/{path}/tags", headers).status_code == 200

    before = Repository.objects.at(path).values("description").first()
    status = api.patch(path, headers, description="new").status_code
    if principal.user is None:
        assert status == 401
    elif access.repository is None:
        assert status == 404
    else:
        assert status == (200 if access.allows(Action.ADMIN) else 403)
    if status != 200:
        assert Repository.objects.at(path).values("description").first() == before


def test_a_stranger_sees_no_difference_between_private_and_missing(api, alices_secret, bob):
    for headers in [{}, by_password(bob)]:
        answers = [api.get(f"repositories/alice/{name}", headers) for name in ["secret", "none"]]
        assert answers[0].content == answers[1].content
        answers = [
            api.patch(f"alice/{name}", headers, description="x") for name in ["secret", "none"]
        ]
        assert answers[0].content == answers[1].content


def test_one_repository(api, alices_app, django_assert_num_queries):
    with django_assert_num_queries(2):
        answer = api.get("repositories/alice/app").json()
    assert answer["path"] == "alice/app"
    assert answer["namespace"] == "alice"
    assert answer["description"] == "An application"
    assert answer["readme"] == ""
    assert answer["actions"] == ["pull"]


@pytest.mark.parametrize(
    "path", ["alice/a%00pp", "%00", "名字", "a" * 500, "..%2f", "alice/app/x/y"]
)
def test_names_that_are_none_are_not_there(api, db, path):
    assert api.get(f"repositories/{path}").status_code == 404
    assert api.get(f"repositories/{path}/tags").status_code == 404


def test_lists_what_one_may_pull_and_strangers_only_what_was_pushed(
    api, alice, bob, alices_app, alices_secret, debian, django_assert_num_queries
):
    assert paths(api.get("repositories")) == []
    assert paths(api.get("repositories", by_password(alice))) == ["alice/app", "alice/secret"]
    for repository in [alices_app, alices_secret, debian]:
        pushed(repository)
    with django_assert_num_queries(2):
        assert paths(api.get("repositories")) == ["debian", "alice/app"]
    assert paths(api.get("repositories", by_password(bob))) == ["debian", "alice/app"]
    assert paths(api.get("repositories?namespace=alice")) == ["alice/app"]
    for namespace in ["nobody", "", "a%00lice", "%"]:
        assert paths(api.get(f"repositories?namespace={namespace}")) == []


def test_pages(api, alice, django_assert_num_queries):
    Repository.objects.bulk_create(
        Repository(namespace=alice.namespace, name=f"app{n:03}", pushed_at=LONG_AGO)
        for n in range(120)
    )
    first = api.get("repositories").json()
    assert (first["count"], len(first["results"]), first["previous"]) == (120, 25, None)
    assert "page=2" in first["next"]
    with django_assert_num_queries(2):
        assert len(paths(api.get("repositories?page_size=1000"))) == 100
    assert paths(api.get("repositories?page=2&page_size=100"))[0] == "alice/app100"
    for page in ["0", "-1", "x", "99", "9" * 5000]:
        assert api.get(f"repositories?page={page}").status_code == 404
    assert len(paths(api.get("repositories?page_size=x"))) == 25


# --- Tags -------------------------------------------------------------------------------------


def test_tags_newest_push_first(api, alices_app, django_assert_num_queries):
    tag_of(alices_app, "1.0", pushed_by="alice", pull_count=7)
    latest = tag_of(alices_app, "latest", 2)
    Tag.objects.filter(pk=latest.pk).update(pushed_at=LONG_AGO + timedelta(days=1))
    Manifest.objects.filter(pk=latest.manifest_id).update(
        kind="index", os="", architecture="", size_bytes=None
    )
    for position, platform in enumerate(["linux/amd64", "linux/arm64/v8", ""]):
        ManifestPart.objects.create(
            manifest=latest.manifest,
            kind="child",
            position=position,
            digest=f"sha256:{position:064x}",
            size_bytes=9,
            platform=platform,
            is_attestation=not platform,
        )
    newest, older = api.get("repositories/alice/app/tags").json()["results"]
    assert newest["name"] == "latest"
    assert newest["kind"] == "index"
    assert newest["platforms"] == ["linux/amd64", "linux/arm64/v8"]
    assert newest["size_bytes"] is None
    assert older["name"] == "1.0"
    assert older["platforms"] == ["linux/arm64"]
    assert older["digest"] == f"sha256:{1:064x}"
    assert (older["pushed_by"], older["pull_count"]) == ("alice", 7)


def test_many_tags_cost_no_more_queries(api, alices_app, django_assert_num_queries):
    for number in range(30):
        tag_of(alices_app, f"v{number}", number)
    with django_assert_num_queries(4):  # the repository; count, tags, their platforms
        assert api.get("repositories/alice/app/tags").json()["count"] == 30


def test_tags_of_a_top_level_repository(api, debian):
    tag_of(debian, "bookworm")
    answer = api.get("repositories/debian/tags").json()
    assert [tag["name"] for tag in answer["results"]] == ["bookworm"]


def test_a_repository_that_is_called_tags(api, alice):
    Repository.objects.create(namespace=alice.namespace, name="tags")
    assert api.get("repositories/alice/tags").json()["path"] == "alice/tags"
    assert api.get("repositories/alice/tags/tags").json()["count"] == 0
    assert api.patch("alice/tags", by_password(alice), description="x").status_code == 200
    assert api.get("repositories/bob/tags").status_code == 404


# --- Making -----------------------------------------------------------------------------------


def test_nobody_and_tokens_that_may_only_read_make_nothing(api, alice):
    assert api.post(path="alice/new").status_code == 401
    response = api.post(by_token(alice, "read"), path="alice/new")
    assert response.status_code == 403
    assert "may only read" in response.json()["detail"]
    assert not Repository.objects.exists()


@pytest.mark.parametrize("path", ["bob/new", "alice/app", "alice/secret", "new"])
def test_only_in_ones_own_namespace_and_at_the_top_level_staff_alone(
    api, bob, carol, alices_app, alices_secret, debian, path
):
    before = Repository.objects.count()
    response = api.post(by_password(carol), path=path)
    assert response.status_code == 403
    assert "carol/" in response.json()["detail"]
    assert Repository.objects.count() == before


@pytest.mark.parametrize(
    "path", ["Alice/App", "alice/", "alice/a/b", "", "a" * 300, "staff", "al\0ice/x"]
)
def test_a_name_that_is_none_is_told(api, alice, path):
    response = api.post(by_password(alice), path=path)
    assert response.status_code == 400
    assert list(response.json()) == ["path"]


def test_what_exists_is_told_and_left_alone(api, alices_app, alice, carol, sam, debian):
    for user, path in [(alice, "alice/app"), (sam, "debian"), (carol, "debian")]:
        response = api.post(by_password(user), path=path, description="other")
        assert response.status_code == 400
        assert "already" in response.json()["path"][0]
        assert Repository.objects.at(path).get().description != "other"


def test_makes_a_repository_before_its_first_push(api, alice):
    response = api.post(
        by_token(alice, "write"), path="alice/new", description="d", readme="# r", is_private=True
    )
    assert response.status_code == 201
    assert response.json()["path"] == "alice/new"
    made = Repository.objects.at("alice/new").get()
    assert (made.is_private, made.description, made.readme) == (True, "d", "# r")
    event = AuditEvent.objects.get(action="repository.created")
    assert (event.target, event.actor_name) == ("alice/new", "alice")
    assert event.access_token_id is not None


def test_staff_make_top_level_repositories_in_person_and_never_private_ones(api, sam):
    assert api.post(by_token(sam, "delete"), path="python").status_code == 403
    assert api.post(by_password(sam), path="python", is_private=True).status_code == 400
    assert api.post(by_password(sam), path="python").status_code == 201
    assert Repository.objects.at("python").get().is_top_level


def test_who_must_confirm_an_address_first_is_told_so(api, alice):
    alice.must_confirm_email = True
    alice.save()
    response = api.post(by_password(alice), path="alice/new")
    assert response.status_code == 403
    assert "confirm" in response.json()["detail"]


# --- Changing ---------------------------------------------------------------------------------


def test_a_small_token_is_told_that_it_is_too_small(api, alice, alices_app):
    response = api.patch("alice/app", by_token(alice, "write"), description="x")
    assert response.status_code == 403
    assert "may only write" in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"description": "x" * 161}, "description"),
        ({"description": "a\0b"}, "description"),
        ({"description": None}, "description"),
        ({"readme": "x" * (64 * 1024 + 1)}, "readme"),
        ({"is_private": "perhaps"}, "is_private"),
    ],
)
def test_says_what_is_wrong_with_a_field(api, alice, alices_app, body, field):
    response = api.patch("alice/app", by_password(alice), **body)
    assert response.status_code == 400
    assert list(response.json()) == [field]


def test_a_top_level_repository_is_never_private(api, debian, carol):
    response = api.patch("debian", by_password(carol), is_private=True)
    assert response.status_code == 400
    assert list(response.json()) == ["is_private"]


def test_changes_only_what_is_given(api, alice, alices_app):
    response = api.patch("alice/app", by_token(alice, "delete"), readme="# New", is_private=True)
    assert response.status_code == 200
    assert response.json()["readme"] == "# New"
    alices_app.refresh_from_db()
    assert alices_app.is_private
    assert alices_app.description == "An application"
    event = AuditEvent.objects.get(action="repository.changed")
    assert event.details["fields"] == ["is_private", "readme"]
    assert "# New" not in str(event.details)


def test_what_is_not_there_to_be_changed_is_left_alone(api, alice, alices_app):
    response = api.patch("alice/app", by_password(alice), name="other", pull_count=9, path="x/y")
    assert response.status_code == 200
    alices_app.refresh_from_db()
    assert (alices_app.name, alices_app.pull_count) == ("app", 0)
    assert not AuditEvent.objects.filter(action="repository.changed").exists()


# --- Search -----------------------------------------------------------------------------------


def test_searches_as_pages_and_docker_do(api, alice, alices_app, alices_secret):
    pushed(alices_app)
    pushed(alices_secret)
    answer = api.get("search?q=app").json()
    assert answer["count"] == 1
    assert answer["results"][0]["path"] == "alice/app"
    assert answer["next"] is answer["previous"] is None
    assert paths(api.get("search?q=secret")) == []
    assert paths(api.get("search?q=secret", by_password(alice))) == ["alice/secret"]


def test_pages_of_results(api, alice):
    Repository.objects.bulk_create(
        Repository(namespace=alice.namespace, name=f"app{n:03}", pushed_at=LONG_AGO)
        for n in range(30)
    )
    first = api.get("search?q=app&page_size=20").json()
    assert (first["count"], len(first["results"])) == (30, 20)
    second = api.get(first["next"].partition("/api/v1/")[2]).json()
    assert len(second["results"]) == 10
    assert second["next"] is None
    assert "page=1" in second["previous"]


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "page=99999999", "page_size=0", "page_size=1000", "q=%00"]
)
def test_a_search_that_makes_no_sense_is_told(api, db, query):
    response = api.get(f"search?{query}")
    assert response.status_code == 400
    assert list(response.json()) == [query.partition("=")[0]]


@pytest.mark.parametrize("path", ["/api/v1/repositories", "/api/v1/search"])
def test_links_to_pages_lead_to_the_index_whatever_the_host_header_says(client, alice, path):
    for name in ["one", "two"]:
        pushed(Repository.objects.create(namespace=alice.namespace, name=name))
    answer = client.get(f"{path}?page_size=1", headers={"host": "localhost:6666"}).json()
    assert answer["next"].startswith(f"http://localhost:8080{path}?")


def test_json_that_is_nested_too_deeply_is_the_clients_fault(client, alice):
    answer = client.post(
        "/api/v1/repositories",
        data="[" * 200_000,
        content_type="application/json",
        headers=by_password(alice),
    )
    assert answer.status_code == 400
