"""/help/: what users need to know, with this index and the reader in every command."""

import json
import re
import tomllib

import pytest
from django.conf import settings

from portal import help
from portal.help import TOPICS, Reader, blocks_of, page_for
from portal.tls import Tls
from tests.repositories.test_repository_page import text_of

LANGUAGES = [code for code, _name in settings.LANGUAGES]
SECURE = Reader("https://images.example.net", "bob")
PLAIN = Reader("http://localhost:5001", "bob")
READERS = [SECURE, PLAIN, Reader("https://images.example.net")]
everywhere = pytest.mark.parametrize("language", LANGUAGES)
each_topic = pytest.mark.parametrize("topic", TOPICS)


def test_an_unknown_topic_is_not_there(client):
    assert client.get("/help/everything").status_code == 404
    assert client.post("/help/").status_code == 405


def test_nothing_in_a_name_becomes_markup():
    reader = Reader("http://[::1]:8080", "<b>*x*</b>")
    body = page_for("push", "en", reader).body
    assert "<b>" not in body
    assert "[::1]:8080/&lt;b&gt;*x*&lt;/b&gt;/app" in body


def test_the_contents_name_every_topic_with_a_sentence(client, db):
    page = client.get("/help/")
    for topic in TOPICS:
        assert f'href="/help/{topic}"' in page.content.decode()
    assert "then pull what you found by its full name." in text_of(page)


def test_commands_carry_this_index_and_the_reader(client, bob, settings):
    settings.SITE_URL = "https://images.example.net"
    client.force_login(bob)
    page = client.get("/help/push").content.decode()
    assert "docker push images.example.net/bob/app<" in page
    assert "https://images.example.net/r/bob/app" in page
    assert "hub.example.com" not in page
    assert "alice" not in page


def test_who_is_not_signed_in_reads_whose_name_belongs_there(client, db):
    page = client.get("/help/push").content.decode()
    assert "docker push localhost:8080/alice/app<" in page
    assert "/account/login/?next=/help/push" in page


def test_an_index_that_certifies_itself_says_how_to_trust_it(client, db, settings):
    for page in ["/help/", "/help/log-in"]:
        assert "/help/certificate" not in client.get(page).content.decode()
    settings.TLS = Tls.INTERNAL
    for page in ["/help/", "/help/log-in"]:
        assert "/help/certificate" in client.get(page).content.decode()


def test_a_page_makes_no_queries_of_its_own(client, alice, django_assert_num_queries):
    client.force_login(alice)
    with django_assert_num_queries(3):  # the session; its user; that it was seen
        client.get("/help/log-in")


def test_plain_http_is_told_where_it_matters(client):
    secure, plain = page_for("log-in", "en", SECURE).body, page_for("log-in", "en", PLAIN).body
    assert "insecure-registries" in plain
    assert "podman login --tls-verify=false localhost:5001 -u bob" in plain
    assert "ctr images pull --plain-http --user" in plain
    for told in ["insecure-registries", "--tls-verify", "--plain-http"]:
        assert told not in secure


def test_links_between_topics_lead_to_their_place(client, db):
    page = client.get("/help/push", headers={"accept-language": "zh-CN"}).content.decode()
    assert 'href="/help/trust#top-level"' in page
    target = client.get("/help/trust", headers={"accept-language": "zh-CN"}).content.decode()
    assert '<h2 id="top-level">顶级仓库</h2>' in target


def test_all_links_lead_somewhere(client, alice, alices_app):
    client.force_login(alice)
    for topic in TOPICS:
        body = page_for(topic, "en", Reader("http://testserver", "alice")).body
        for target in re.findall(r'href="(?:http://testserver)?(/[^"#]*)', body):
            assert client.get(target).status_code == 200, (topic, target)


@each_topic
def test_a_topic_says_the_same_in_every_language(topic):
    """Texts differ; what is pasted, and the order of headings, tables and links, doesn't."""

    def shape(language: str, reader: Reader) -> object:
        body = page_for(topic, language, reader).body
        return blocks_of(topic, language, reader), re.findall(
            r"<(?:h\d|table|tr|pre)\b|href=\"[^\"]*\"", body
        )

    for reader in READERS:
        for language in LANGUAGES:
            assert shape(language, reader) == shape("en", reader)


@everywhere
@each_topic
def test_every_topic_is_written_in_every_language(topic, language):
    assert (help.FOLDER / language / f"{topic}.md").exists()
    page = page_for(topic, language, SECURE)
    assert page.title
    assert 20 < len(page.summary) < 140
    assert "<!--" not in page.body


@everywhere
def test_there_is_no_file_that_nobody_reads(language):
    assert {file.stem for file in (help.FOLDER / language).iterdir()} == set(TOPICS)


@each_topic
def test_files_to_paste_are_well_formed(topic):
    for reader in READERS:
        for block in blocks_of(topic, "en", reader):
            if block.path.endswith(".toml") or block.path.endswith(".conf"):
                tomllib.loads(block.text)
            elif block.path:
                json.loads(block.text)


@everywhere
def test_the_reader_reads_his_own_language(client, db, language):
    page = client.get("/help/trust", headers={"accept-language": language})
    assert page_for("trust", language, Reader(settings.SITE_URL)).title in text_of(page)
