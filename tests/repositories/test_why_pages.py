"""/why/<rule>: the pages behind the addresses that clients print."""

import re

import pytest

from repositories import refusals
from repositories.refusals import Rule
from tests.repositories.test_repository_page import text_of

PATH = "alice/secret"


def main_of(response) -> str:
    """What the page says, without the addresses that lead back to it."""
    main = re.search("<main.*</main>", text_of(response), re.DOTALL)[0]
    return re.sub(r"\?next=[^\"]*", "", main)


@pytest.mark.parametrize("rule", ["", "nothing", "Login", "immutable/x", "..%2flogin"])
def test_a_rule_that_there_is_none_of_is_not_there(client, db, rule):
    assert client.get(f"/why/{rule}").status_code == 404


def test_is_only_read(client, db):
    assert client.post("/why/login").status_code == 405


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("query", ["", "?path=alice/secret&tag=1.0", "?path=debian&action=delete"])
@pytest.mark.parametrize("name", ["", "alice", "bob"])
def test_says_what_happened_whose_turn_it_is_and_the_cure(client, alice, bob, rule, query, name):
    if name:
        client.force_login({"alice": alice, "bob": bob}[name])
    page = main_of(client.get(f"/why/{rule}{query}"))
    assert page.count("<h2") == 3
    assert page.count("<h1") == 1
    assert not re.search(r"<p>\s*</p>", page)


@pytest.mark.parametrize("rule", Rule)
def test_does_not_ask_whether_the_repository_is_there(client, alice, rule):
    before = main_of(client.get(f"/why/{rule}?path={PATH}"))
    alice.namespace.repositories.create(name="secret", is_private=True)
    assert main_of(client.get(f"/why/{rule}?path={PATH}")) == before


@pytest.mark.parametrize(
    "path", ["<script>", "alice/app/deep", "Alice", "a" * 300, "javascript:x", "%00", "文"]
)
def test_speaks_of_no_path_that_is_none(client, db, path):
    for rule in Rule:
        page = main_of(client.get(f"/why/{rule}", {"path": path, "tag": "<b>"}))
        assert "<script>" not in page and "deep" not in page and "<b>" not in page
        assert "a" * 100 not in page and "javascript:x" not in page


def test_the_commands_have_the_reader_s_own_name(client, bob):
    client.force_login(bob)
    page = text_of(client.get("/why/namespace?path=alice/app&action=push"))
    assert "docker tag localhost:8080/alice/app localhost:8080/bob/app" in page
    assert "docker push localhost:8080/bob/app" in page
    page = text_of(client.get("/why/top-level?path=debian&action=push"))
    assert "docker push localhost:8080/bob/debian" in page


def test_the_owner_is_told_to_log_in_as_himself(client, alice):
    client.force_login(alice)
    page = text_of(client.get("/why/namespace?path=alice/app&action=push"))
    assert "docker login -u alice localhost:8080" in page


def test_the_scope_that_is_needed(client, db):
    assert "scope “write”" in text_of(client.get("/why/scope?path=alice/app&action=push"))
    assert "scope “delete”" in text_of(client.get("/why/scope?path=alice/app&action=delete"))


def test_all_rules_are_listed(client, db):
    page = text_of(client.get("/why"))
    for rule in Rule:
        assert f'href="/why/{rule}"' in page


REFUSALS = [
    refusals.bad_name("'\\u6587' is not a name of this index"),
    refusals.not_logged_in(PATH, "push"),
    refusals.not_found(PATH, ""),
    refusals.not_found(PATH, "bob"),
    refusals.other_namespace(PATH, "bob", "push"),
    refusals.other_namespace(PATH, "bob", "delete"),
    refusals.top_level("debian", "bob", "push"),
    refusals.top_level("debian", "bob", "delete"),
    refusals.level_too_low(PATH, "pull", "push"),
    refusals.scope_too_small(PATH, "read", "push"),
    refusals.email_unconfirmed(PATH),
    refusals.immutable_tag(PATH, "v1", "push"),
    refusals.immutable_tag(PATH, "v1", "delete"),
    refusals.read_only(),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.rule.value)
def test_each_refusal_is_one_line_of_ascii_and_leads_to_its_page(client, db, refusal):
    text = str(refusal)
    assert text.isascii() and text.isprintable()
    address = re.search(r"http://localhost:8080(/why/\S+)$", text)[1]
    assert client.get(address).status_code == 200
