"""/search: the page over the one search; what it finds is tested with that."""

import pytest

from repositories.models import Repository
from repositories.templatetags.search_marks import marked
from tests.repositories.pushed import push, push_index
from tests.repositories.test_repository_page import text_of


def test_private_ones_are_found_by_their_owner_alone(client, alice, alices_secret):
    push(alices_secret, "latest")
    assert "/r/alice/secret" not in text_of(client.get("/search?q=secret"))
    client.force_login(alice)
    page = text_of(client.get("/search?q=secret"))
    assert "/r/alice/secret" in page
    assert "Private" in page


@pytest.mark.parametrize("query", ["%00", "%", "'", "<script>", "a" * 5000, "%F0%9F%90%B3", "[a-"])
@pytest.mark.parametrize("page", ["1", "0", "-1", "x", "9" * 30, "%D9%A3"])
def test_hostile_queries_are_queries(client, alices_app, query, page):
    response = client.get(f"/search?q={query}&page={page}")
    assert response.status_code == 200
    assert "<script>" not in text_of(response)


def test_shows_mark_match_pulls_and_platforms(client, debian):
    push_index(debian, "latest", sizes={"linux/amd64": 1, "linux/arm64": 1})
    Repository.objects.update(pull_count=1_234_567)
    page = text_of(client.get("/search?q=deb"))
    assert "1 repository for “deb”" in page
    assert "<mark>deb</mark>ian" in page
    assert "Top-level" in page
    assert "1.2 M pulls" in page
    assert "linux/arm64" in page


def test_nothing_found_says_how_one_searches(client, db):
    page = text_of(client.get("/search?q=nothing"))
    assert "Nothing found" in page
    assert 'value="nothing"' in page


def test_no_query_lists_what_is_pulled_most(client, alices_app):
    push(alices_app, "latest")
    page = text_of(client.get("/search"))
    assert "All repositories" in page
    assert "/r/alice/app" in page


def test_pages(client, alice):
    for number in range(30):
        made = Repository.objects.create(namespace=alice.namespace, name=f"app{number}")
        push(made, "latest")
    first = client.get("/search?q=app")
    assert len(first.context["results"].items) == 25
    assert "?q=app&amp;page=2" in text_of(first)
    assert len(client.get("/search?q=app&page=2").context["results"].items) == 5


def test_costs_the_same_queries_for_many(client, alice, django_assert_num_queries):
    for number in range(40):
        made = Repository.objects.create(namespace=alice.namespace, name=f"app{number}")
        push_index(made, "latest", sizes={"linux/amd64": 1, "linux/arm64": 1})
    # Found ones counted, and a page of them; their newest manifests; parts; children.
    with django_assert_num_queries(5):
        client.get("/search?q=app")


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("nginx", "NGINX", "<mark>nginx</mark>"),
        ("nginx-exporter", "ex ng", "<mark>ng</mark>inx-<mark>ex</mark>porter"),
        ("app", "alice/app", "<mark>app</mark>"),
        ("a<b>", "b", "a&lt;<mark>b</mark>&gt;"),
        ("a.b", ".", "a<mark>.</mark>b"),
        ("a<b>", "", "a&lt;b&gt;"),
        ("地图瓦片", "瓦片", "地图<mark>瓦片</mark>"),
    ],
)
def test_marks_what_was_looked_for(text, query, expected):
    assert marked(text, query) == expected
