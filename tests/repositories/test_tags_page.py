"""/r/alice/app/tags: a row for each digest."""

from repositories.models import Manifest, Tag
from repositories.templatetags.figures import size_range
from tests.repositories.pushed import digest_of, push, push_index
from tests.repositories.test_repository_page import text_of

TAGS = "/r/alice/app/tags"


def rows_of(response) -> list[list[str]]:
    return [[tag.name for tag in row.tags] for row in response.context["rows"]]


def test_shows_a_digest_once_with_all_its_tags_the_newest_first(client, alices_app):
    push(alices_app, "1.0", image="old", hours_ago=9)
    push(alices_app, "1.1", "latest", image="new")
    assert rows_of(client.get(TAGS)) == [["latest", "1.1"], ["1.0"]]


def test_a_digest_is_as_new_as_its_newest_tag(client, alices_app):
    push(alices_app, "1.0", image="first", hours_ago=9)
    push(alices_app, "1.1", image="second", hours_ago=5)
    push(alices_app, "stable", image="first")
    assert rows_of(client.get(TAGS)) == [["stable", "1.0"], ["1.1"]]


def test_says_size_who_when_and_pulls(client, alices_app):
    push_index(alices_app, "1", sizes={"linux/amd64": 29_000_000, "linux/arm64": 31_400_000})
    push(alices_app, "2", by="alice", hours_ago=3)
    Tag.objects.filter(name="2").update(pull_count=1234)
    page = text_of(client.get(TAGS))
    assert "29–31 MB" in page
    assert "by alice" in page
    assert "3 hours ago" in page
    assert "1.2 k" in page


def test_what_is_no_image_is_what_it_is(client, alices_app):
    push(alices_app, "bad", image="bad", kind="malformed", problem="no layers")
    push(alices_app, "chart", image="chart", kind="artifact", artifact_type="application/x.helm")
    push(alices_app, "new", image="new", kind="unread", size_bytes=None)
    page = text_of(client.get(TAGS))
    assert "Malformed" in page and "no layers" in page
    assert "application/x.helm" in page
    assert "Being read" in page


def test_tells_what_the_registry_has_lost(client, alices_app):
    push(alices_app, "latest")
    Manifest.objects.update(missing_since="2026-01-01T00:00Z")
    assert "Missing in the registry" in text_of(client.get(TAGS))


def test_hides_signatures_and_their_like(client, alices_app):
    push(alices_app, "1.0")
    for suffix in ["", ".sig", ".att", ".sbom"]:
        push(alices_app, f"sha256-{'a' * 64}{suffix}", image=f"attachment {suffix}")
    response = client.get(TAGS)
    assert rows_of(response) == [["1.0"]]
    assert response.context["tag_count"] == 1


def test_filters_by_a_part_of_a_tag_or_the_beginning_of_a_digest(client, alices_app):
    push(alices_app, "1.0", "1.0-slim", image="old")
    push(alices_app, "2.0", image="new")
    assert rows_of(client.get(TAGS, {"q": "SLIM"})) == [["1.0-slim", "1.0"]]
    assert rows_of(client.get(TAGS, {"q": digest_of("new")[:20]})) == [["2.0"]]
    assert rows_of(client.get(TAGS, {"q": "%"})) == []
    nothing = text_of(client.get(TAGS, {"q": "<b>\0"}))
    assert "No tag like this" in nothing
    assert "&lt;b&gt;" in nothing


def test_pages_on_the_server(client, alices_app):
    for number in range(30):
        push(alices_app, f"v{number}", image=f"{number}", hours_ago=number)
    first, second = client.get(TAGS), client.get(TAGS, {"page": 2})
    assert len(rows_of(first)) == 25
    assert rows_of(second) == [[f"v{number}"] for number in range(25, 30)]
    assert 'href="?page=2"' in text_of(first)
    assert rows_of(client.get(TAGS, {"page": "99"})) == rows_of(second)
    assert rows_of(client.get(TAGS, {"page": "x"})) == rows_of(first)


def test_costs_the_same_queries_for_many_tags(client, alices_app, django_assert_num_queries):
    for number in range(40):
        sizes = {"linux/amd64": 1000, "linux/arm64": 1000}
        push_index(alices_app, f"v{number}", f"w{number}", image=f"{number}", sizes=sizes)
    # Repository; unread manifests; digests counted, and one page of them; manifests; tags;
    # parts; children; tags counted.
    with django_assert_num_queries(9):
        client.get(TAGS)


def test_a_range_of_sizes_names_its_unit_once():
    assert size_range(29_000_000, 29_400_000) == "29\u202fMB"
    assert size_range(29_000_000, 31_000_000) == "29–31\u202fMB"
    assert size_range(900_000, 1_200_000_000) == "900\u202fkB–1.2\u202fGB"
    assert size_range(None, None) == ""
