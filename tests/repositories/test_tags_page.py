"""/r/alice/app/tags: a row for each digest."""

import html
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from repositories import tag_list, views
from repositories.models import Manifest, Tag
from repositories.names import is_tag
from repositories.templatetags.figures import size_range
from tests.repositories.pushed import digest_of, push, push_index
from tests.repositories.test_repository_page import text_of

TAGS = "/r/alice/app/tags"


def rows_of(response) -> list[list[str]]:
    return [[tag.name for tag in row.tags] for row in response.context["page"].rows]


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


def followed(client, response, rel: str):
    """The page behind the link to the next or the previous one."""
    address = re.search(f'rel="{rel}" href="([^"]+)"', response.content.decode())[1]
    return client.get(TAGS + html.unescape(address))


@pytest.mark.parametrize("sort", ["newest", "name", "pulls"])
def test_goes_on_where_a_page_ended_in_every_order_and_back(client, alices_app, sort):
    names = [f"v{number:02}" for number in range(60)]
    for number, name in enumerate(names):
        push(alices_app, name, image=f"{number}", hours_ago=number)
    # Many are alike in what is sorted by: the name decides.
    Tag.objects.filter(name__in=names[20:]).update(pull_count=7)
    expected = {
        "newest": names,
        "name": names,
        "pulls": [*reversed(names[20:]), *reversed(names[:20])],
    }[sort]
    first = client.get(TAGS, {"sort": sort})
    second = followed(client, first, "next")
    third = followed(client, second, "next")
    assert [tag for page in [first, second, third] for (tag,) in rows_of(page)] == expected
    assert third.context["page"].after == first.context["page"].before == ""
    assert rows_of(followed(client, third, "prev")) == rows_of(second)
    assert rows_of(followed(client, followed(client, third, "prev"), "prev")) == rows_of(first)


def test_a_digest_stands_once_over_all_pages(client, alices_app):
    push(alices_app, *[f"old-{number}" for number in range(30)], image="much named", hours_ago=90)
    push(alices_app, "newest", image="much named")
    for number in range(30):
        push(alices_app, f"v{number:02}", image=f"{number}", hours_ago=number + 1)
    first = client.get(TAGS)
    second = followed(client, first, "next")
    assert "newest" in rows_of(first)[0] and len(rows_of(first)[0]) == 31
    assert [len(tags) for tags in rows_of(second)] == [1] * 6


def test_a_tag_that_is_pushed_again_while_one_reads_does_not_move_the_other_pages(
    client, alices_app
):
    for number in range(30):
        push(alices_app, f"v{number:02}", image=f"{number}", hours_ago=number)
    first = client.get(TAGS)
    push(alices_app, "v99", image="new")
    assert rows_of(followed(client, first, "next"))[0] == ["v25"]


@pytest.mark.parametrize(
    "cursor", ["x", "~", "1", "1~", "~v1", "a~v1", "9" * 30 + "~v1", "1~\0", "-1~v/1", "1" * 999]
)
@pytest.mark.parametrize("sort", ["newest", "pulls", "name", "'"])
def test_a_cursor_that_nobody_has_made_leads_to_the_start(client, alices_app, cursor, sort):
    push(alices_app, "a")
    response = client.get(TAGS, {"after": cursor, "sort": sort})
    # A name is a cursor where names are the order.
    assert rows_of(response) == (
        [] if sort == "name" and is_tag(cursor) and cursor > "a" else [["a"]]
    )


def test_offers_all_names_of_a_digest_up_to_what_can_be_read(client, alices_app):
    push(alices_app, *[f"v{number}" for number in range(100)])
    Tag.objects.update(pull_count=3)
    (row,) = client.get(TAGS).context["page"].rows
    assert (len(row.tags), row.tag_count, row.pull_count) == (60, 100, 300)


def test_counts_tags_as_far_as_it_is_worth_it(client, alices_app, monkeypatch):
    monkeypatch.setattr(tag_list, "MAX_COUNTED", 20)
    monkeypatch.setattr(views, "MAX_COUNTED", 20)
    push(alices_app, *[f"v{number}" for number in range(30)])
    assert '<span class="count">20+</span>' in text_of(client.get(TAGS))


def test_a_deprecated_tag_is_marked(client, alices_app):
    push(alices_app, "old")
    assert "Deprecated" not in text_of(client.get(TAGS))
    Tag.objects.update(deprecated_at="2026-01-01T00:00Z")
    assert "Deprecated" in text_of(client.get(TAGS))


@pytest.mark.parametrize("sort", ["newest", "name", "pulls"])
def test_the_database_walks_an_index_and_sorts_nothing(alices_app, sort):
    manifests = Manifest.objects.bulk_create(
        Manifest(repository=alices_app, digest=digest_of(f"{number}"), kind="image")
        for number in range(1000)
    )
    Tag.objects.bulk_create(
        Tag(
            repository=alices_app,
            name=f"v{number}",
            manifest=manifests[number // 2],
            pushed_at=timezone.now() - timedelta(minutes=number),
        )
        for number in range(2000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE repositories_tag, repositories_manifest")
    with CaptureQueriesContext(connection) as captured:
        page = tag_list.page_of_rows(alices_app, sort=sort)
        tag_list.page_of_rows(alices_app, sort=sort, after=page.after)
    walks = [sql for query in captured if "ORDER BY" in (sql := query["sql"]) and "ROW(" in sql]
    assert walks
    for sql in walks:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "Sort" not in plan and "Seq Scan" not in plan, plan


def test_costs_the_same_queries_for_many_tags(client, alices_app, django_assert_num_queries):
    for number in range(40):
        sizes = {"linux/amd64": 1000, "linux/arm64": 1000}
        push_index(alices_app, f"v{number}", f"w{number}", image=f"{number}", sizes=sizes)
    # Repository; unread manifests; some tags, and the first of each of their digests; manifests;
    # their tags; parts; children; tags counted, up to a limit.
    with django_assert_num_queries(9):
        client.get(TAGS)


def test_a_range_of_sizes_names_its_unit_once():
    assert size_range(29_000_000, 29_400_000) == "29\u202fMB"
    assert size_range(29_000_000, 31_000_000) == "29–31\u202fMB"
    assert size_range(900_000, 1_200_000_000) == "900\u202fkB–1.2\u202fGB"
    assert size_range(None, None) == ""
