"""English and 简体中文: which one a reader gets, that nothing is missing, and what finds it."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from babel.messages import Catalog
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone, translation

from accounts import access_tokens
from portal import translations
from repositories.models import DailyPulls, Repository
from repositories.refusals import Rule
from tests.repositories.pushed import push

CHINESE = {"accept-language": "zh-CN,zh;q=0.9"}


@pytest.fixture(scope="module")
def texts() -> Catalog:
    return translations.collected()


@pytest.fixture
def found(texts):
    """What is found in the Chinese once a test has changed it."""
    catalog = translations.read(translations.source_of("zh_Hans"))
    before = set(translations.problems(catalog, texts))

    def after(change) -> list[str]:
        change(catalog)
        return sorted(set(translations.problems(catalog, texts)) - before)

    return after


# --- What `make lint` finds -----------------------------------------------------------------

SKIP = "Skip to the content"
SHOWN = f"{SKIP!r} (templates/base.html)"


def translated_as(text: str, translation: str | tuple[str, ...]):
    def change(catalog: Catalog) -> None:
        catalog.get(text).string = translation

    return change


def test_a_text_without_translation_is_found(found):
    assert found(translated_as(SKIP, "")) == [f"missing: {SHOWN}"]


def test_a_text_that_was_never_collected_is_found(found):
    assert found(lambda catalog: catalog.delete(SKIP)) == [f"missing: {SHOWN}"]


def test_a_guess_is_found(found):
    assert found(lambda catalog: catalog.get(SKIP).flags.add("fuzzy")) == [f"fuzzy: {SHOWN}"]


def test_a_text_that_the_code_has_lost_is_found(found):
    [problem] = found(lambda catalog: catalog.add("Gone with the wind", "随风而逝"))
    assert problem.startswith("nowhere in the code any more: 'Gone with the wind'")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("%(time)s ago", "以前"),
        ("%(time)s ago", "%(when)s前"),
        ("%(count)s token", ("令牌",)),
        ("There is no user with the name %s.", "没有这个用户。"),
    ],
)
def test_a_translation_that_would_fail_is_found(found, text, wrong):
    [problem] = found(translated_as(text, wrong))
    assert problem.startswith("other placeholders: ")


def test_a_translation_that_loses_a_link_is_found(found):
    text = 'Push it. <a href="%(page)s">Its page</a> shows it at once.'
    [problem] = found(translated_as(text, '推送。<a href="%(page)s">它的页面会立即显示。'))
    assert problem.startswith("other tags: ")


@pytest.mark.parametrize("locale", translations.locales())
def test_every_text_is_translated(locale, texts):
    catalog = translations.read(translations.source_of(locale))
    assert list(translations.problems(catalog, texts)) == []


def test_the_compiled_form_follows_its_source(tmp_path, monkeypatch):
    source = tmp_path / "zh_Hans" / "LC_MESSAGES" / "django.po"
    monkeypatch.setattr(translations, "SOURCES", tmp_path)
    target = tmp_path / "made" / "zh_Hans" / "LC_MESSAGES" / "django.mo"
    source.parent.mkdir(parents=True)
    for word in ["一", "二二"]:
        source.write_text(f'msgid "One"\nmsgstr "{word}"\n')
        translations.compile_all(tmp_path / "made")
        assert word.encode() in target.read_bytes()


# --- Who reads what -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "en"), ("de, fr;q=0.5", "en"), ("zh-CN", "zh-hans"), ("zh-TW,en;q=0.5", "zh-hans")],
)
def test_the_browser_says_which_language(client, db, accepted, language):
    page = client.get("/", headers={"accept-language": accepted})
    assert f'<html lang="{language}"' in page.content.decode()


def test_the_switch_is_remembered_and_leads_back(client, db):
    sent = client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/search?q=a"})
    assert sent.headers["Location"] == "/search?q=a"
    cookie = sent.cookies["gantry_language"]
    assert (cookie.value, cookie["max-age"]) == ("zh-hans", 365 * 24 * 3600)
    page = client.get("/", headers={"accept-language": "en"}).content.decode()
    assert '<html lang="zh-hans"' in page
    assert 'value="zh-hans" lang="zh-hans" aria-current="true"' in page


@pytest.mark.parametrize(
    "place", ["https://evil.example", "//evil.example/", "javascript:alert(1)"]
)
def test_the_switch_leads_nowhere_else(client, db, place):
    sent = client.post("/i18n/setlang/", {"language": "zh-hans", "next": place})
    assert sent.headers["Location"] == "/"


def test_the_switch_sends_back_the_whole_address(client, db):
    page = client.get("/search?q=a&page=1").content.decode()
    assert '<input type="hidden" name="next" value="/search?q=a&amp;page=1">' in page


def test_docker_clients_read_english(client, db):
    refused = client.get(
        "/token?service=x&scope=x", headers={**CHINESE, "authorization": "Basic x"}
    )
    assert refused.content.isascii()


# --- Pages in Chinese -----------------------------------------------------------------------

# What a Chinese page says in English, too: names, words of commands, and what these tests made.
ENGLISH = {
    *["Gantry", "README", "API", "Markdown", "Docker", "Hub", "Podman", "Buildah", "Skopeo", "CI"],
    *["Kubernetes", "GitHub", "GitLab", "Actions", "Dockerfile", "Cookie", "English", "registry"],
    *["docker", "login", "pull", "push", "read", "write", "delete", "admin", "FROM", "digest"],
    *["http", "https", "sha256", "linux", "amd64", "MB", "kB", "UTC", "localhost", "podman"],
    *["alice", "bob", "carol", "sam", "debian", "app", "secret", "base", "other", "nothing", "new"],
    *["ID", "search", "manage", "py", "collect", "garbage", "nightly", "pr"],
    *["latest", "laptop", "example", "com"],
}
# Digests, moments as machines write them, and addresses.
NO_WORDS = re.compile(r"[0-9a-f]{12,}|\d{4}-\d\d-\d\dT\S+|/\S*")


class Words(HTMLParser):
    """The English words that a reader of a page sees, or hears."""

    UNSEEN = ("script", "style", "code", "pre", "title", "time")
    TOLD = ("alt", "aria-label", "placeholder", "data-copied", "data-label", "title")

    def __init__(self) -> None:
        super().__init__()
        self.words: set[str] = set()
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in self.UNSEEN
        for name, value in attrs:
            if name in self.TOLD:
                self._read(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in self.UNSEEN

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._read(data)

    def _read(self, text: str) -> None:
        self.words |= set(re.findall(r"[A-Za-z][A-Za-z0-9']+", NO_WORDS.sub("", text))) - ENGLISH


def english_words(html: str) -> set[str]:
    words = Words()
    words.feed(html)
    return words.words


@pytest.fixture
def index_with_things(alice, bob, sam, debian, alices_app, alices_secret):
    """Something to see on each page."""
    Repository.objects.update(description="一个镜像")
    push(alices_app, "latest")
    push(debian, "latest")
    today = timezone.now().date()
    DailyPulls.objects.create(repository=alices_app, tag="latest", day=today, count=12_345)
    access_tokens.create(alice, "laptop", "write")


PUBLIC = ["/", "/search", "/search?q=app", "/search?q=nothing", "/u/alice", "/u/bob"]
PUBLIC += [
    "/r/alice/app",
    "/r/alice/app/tags",
    "/r/alice/app/tags?q=nothing",
    "/_/debian",
    "/help/",
]
PUBLIC += ["/account/login/", "/account/signup/", "/account/password/reset/", "/nothing/here"]
OWN = ["/", "/u/alice", "/r/alice/app", "/r/alice/app/settings", "/r/alice/secret"]
OWN += ["/r/alice/other", "/repositories/new", "/account/", "/account/tokens"]
OWN += ["/account/tokens/new", "/account/tokens/1/revoke", "/account/email/"]
OWN += ["/account/password/change/", "/account/sessions/", "/account/logout/", "/staff"]
OWN += ["/account/security", "/account/delete", "/deleted", "/r/alice/app/settings/who-may"]
OWN += ["/r/alice/app/delete", "/r/alice/app/delete-tags", "/r/alice/app/tags/latest/manage"]
PUBLIC += ["/r/alice/app/tags/latest", "/r/alice/app/tags/latest/history", "/why", "/digest"]
PUBLIC += [f"/why/{rule}?path=alice/app&tag=latest" for rule in Rule]
PUBLIC += ["/digest/sha256:" + 64 * "0"]
STAFF = ["/staff", "/staff/accounts", "/staff/accounts/alice", "/staff/top-level"]


@pytest.mark.parametrize("path", PUBLIC)
def test_no_english_is_left_for_visitors(client, index_with_things, path):
    assert english_words(client.get(path, headers=CHINESE).content.decode()) == set()


@pytest.mark.parametrize("path", OWN)
def test_no_english_is_left_for_owners(client, index_with_things, alice, path):
    client.force_login(alice)
    assert english_words(client.get(path, headers=CHINESE).content.decode()) == set()


@pytest.mark.parametrize("path", STAFF)
def test_no_english_is_left_for_staff(client, index_with_things, sam, path):
    client.force_login(sam)
    assert english_words(client.get(path, headers=CHINESE).content.decode()) == set()


@pytest.mark.parametrize(
    "path",
    sorted(
        path.relative_to(settings.BASE_DIR / "templates").as_posix()
        for path in (settings.BASE_DIR / "templates").glob("*/email/*_*.*")
    ),
)
def test_no_english_is_left_in_mails(path):
    """Whatever a mail is told: the values themselves are empty here."""
    with translation.override("zh-hans"):
        html = render_to_string(path, {"site_host": "localhost:8080", "path": "alice/app"})
    assert english_words(html) == set()


def test_no_english_is_left_in_errors_of_forms(client, db):
    sent = {"username": "a", "password1": "1234", "email": "no"}
    page = client.post("/account/signup/", sent, headers=CHINESE)
    assert english_words(page.content.decode()) == set()


def test_dates_and_numbers_are_those_of_the_language(client, index_with_things):
    Repository.objects.update(
        pull_count=1_234_567, pushed_at=timezone.now() - timedelta(days=3, hours=1)
    )
    page = client.get("/search?q=app", headers=CHINESE).content.decode()
    assert "123万" in page
    assert ">3\xa0天前<" in page
    assert re.search(r'title="\d{4}年\d+月\d+日 ', page)
