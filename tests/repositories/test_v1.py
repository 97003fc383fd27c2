"""What docker and podman get when they search."""

import base64
import json

import pytest
from django.utils import timezone

from accounts import access_tokens
from accounts.models import AccessToken
from accounts.principals import NOBODY, Principal
from repositories import registry_tokens
from repositories.models import Repository


@pytest.fixture
def index(alices_app, alices_secret, debian):
    Repository.objects.update(pushed_at=timezone.now(), pull_count=7)


def basic(username: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{secret}".encode()).decode()


def bearer(principal: Principal) -> str:
    return "Bearer " + registry_tokens.sign(principal, []).token


def names(response) -> list[str]:
    assert response.status_code == 200
    return [result["name"] for result in response.json()["results"]]


WRONG = {
    "password": basic("alice", "wrong"),
    "access token": basic("alice", access_tokens.generate()),
    "unknown user": basic("nobody-here", "alice-password-1"),
    "no secret": basic("alice", ""),
    "no base64": "Basic %%%",
    "no UTF-8": "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
    "NUL": basic("alice\0", "alice-password-1\0"),
    "no JWT": "Bearer nonsense",
    "empty JWT": "Bearer ",
    "unsigned JWT": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.",
}


@pytest.mark.parametrize("authorization", WRONG.values(), ids=WRONG)
def test_wrong_credentials_are_refused(client, index, authorization):
    response = client.get("/v1/search?q=app", HTTP_AUTHORIZATION=authorization)
    assert response.status_code == 401
    assert "results" not in response.json()


def test_a_session_counts_for_nothing(client, alice, index):
    client.force_login(alice)
    assert names(client.get("/v1/search?q=secret")) == []


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
@pytest.mark.parametrize("path", ["/v1/search", "/v1/_ping"])
def test_nothing_is_written_here(client, db, path, method):
    assert getattr(client, method)(path).status_code == 405


def test_ping(client):
    response = client.get("/v1/_ping")
    assert (response.status_code, response.json()) == (200, {})
    assert response["Content-Type"] == "application/json"
    assert response["X-Docker-Registry-Version"] == "0.9.1"
    assert response["X-Docker-Registry-Standalone"] == "false"


@pytest.mark.parametrize("path", ["/v1/search", "/v1/search/"])
def test_answer(client, index, path):
    response = client.get(path, {"q": "debian"})
    assert response["Content-Type"] == "application/json"
    assert response.json() == {
        "query": "debian",
        "num_results": 1,
        "num_pages": 1,
        "page": 1,
        "page_size": 25,
        "results": [
            {
                "name": "debian",
                "description": "The universal operating system",
                "star_count": 0,
                "is_official": True,
                "is_automated": False,
                "is_trusted": False,
                "pull_count": 7,
            }
        ],
    }


def test_nothing_found_is_an_empty_list(client, index):
    answer = client.get("/v1/search?q=nowhere").json()
    assert (answer["results"], answer["num_results"], answer["num_pages"]) == ([], 0, 0)


def test_a_user_repository_is_not_official(client, index):
    (result,) = client.get("/v1/search?q=alice/app").json()["results"]
    assert result["name"] == "alice/app"
    assert result["is_official"] is False


def test_a_description_is_one_line(client, index):
    Repository.objects.filter(name="app").update(description="One\r\nand\ttwo")
    (result,) = client.get("/v1/search?q=app").json()["results"]
    assert result["description"] == "One and two"


NUMBERS = {
    "": (25, 1),
    "n=2&page=2": (2, 2),
    "n=0&page=0": (1, 1),
    "n=-1&page=-1": (1, 1),
    "n=1000": (100, 1),
    "n=ten&page=one": (25, 1),
    "n=2.5&page=%00": (25, 1),
    f"n={'9' * 5000}&page={'9' * 5000}": (25, 1),
    "n=25&page=99999999999999999999": (25, 10_000),
}


@pytest.mark.parametrize(("query", "expected"), NUMBERS.items(), ids=[*map(str, range(9))])
def test_numbers(client, index, query, expected):
    answer = client.get(f"/v1/search?{query}").json()
    assert (answer["page_size"], answer["page"]) == expected
    assert answer["num_results"] == 2  # of all pages


def test_pages(client, index):
    assert names(client.get("/v1/search?n=1")) + names(client.get("/v1/search?n=1&page=2")) == [
        "alice/app",
        "debian",
    ]
    assert names(client.get("/v1/search?n=1&page=3")) == []


@pytest.mark.parametrize("text", ["a\0b", "%", "'", "\\", "app " * 3000, "\u202eapp", "数据库"])
def test_any_text_is_answered(client, index, text):
    answer = json.loads(client.get("/v1/search", {"q": text}).content)
    assert answer["query"] == text


@pytest.mark.parametrize("text", ["secret", "alice/secret", "library/secret", ""])
def test_private_is_for_its_owner_alone(client, alice, bob, index, text):
    def names_for(authorization: str = "") -> list[str]:
        headers = {"HTTP_AUTHORIZATION": authorization} if authorization else {}
        return names(client.get("/v1/search", {"q": text}, **headers))

    _token, secret = access_tokens.create(alice, "laptop", AccessToken.Scope.READ)
    assert "alice/secret" not in names_for()
    assert "alice/secret" not in names_for(basic("", ""))
    assert "alice/secret" not in names_for(basic("bob", "bob-password-1"))
    assert "alice/secret" in names_for(basic("alice", "alice-password-1"))
    assert "alice/secret" in names_for(basic("alice", secret))
    # docker search after a login for which docker keeps an identity token.
    assert "alice/secret" in names_for(bearer(Principal(alice)))
    assert "alice/secret" not in names_for(bearer(Principal(bob)))
    assert "alice/secret" not in names_for(bearer(NOBODY))


def test_a_registry_token_ends_with_its_account(client, alice, index):
    authorization = bearer(Principal(alice))
    alice.is_active = False
    alice.save()
    assert client.get("/v1/search", HTTP_AUTHORIZATION=authorization).status_code == 401
    own = f"Bearer {registry_tokens.own_token([])}"
    assert client.get("/v1/search", HTTP_AUTHORIZATION=own).status_code == 401


def test_guessing_is_slowed(client, alice, index):
    for number in range(10):
        authorization = basic("alice", f"guess {number}")
        assert client.get("/v1/search", HTTP_AUTHORIZATION=authorization).status_code == 401
    response = client.get("/v1/search", HTTP_AUTHORIZATION=basic("alice", "alice-password-1"))
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0


def test_anonymous_search_costs_two_queries(client, index, django_assert_num_queries):
    with django_assert_num_queries(2):  # a page that is full, and how many there are
        client.get("/v1/search?q=app&n=1")
    with django_assert_num_queries(1):
        client.get("/v1/search?q=app")
