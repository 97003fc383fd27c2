"""What a text finds, for whom, and in which order."""

import pytest
from django.utils import timezone

from accounts.models import AccessToken, Namespace, User
from accounts.principals import NOBODY, Principal
from repositories.models import Repository
from repositories.search import MAX_PAGE_SIZE, search


def add(path: str, description: str = "", **fields) -> Repository:
    """A repository that something was pushed to, of a person named in the path."""
    namespace, _slash, name = path.rpartition("/")
    if namespace and not Namespace.objects.filter(name=namespace).exists():
        User.objects.create_user(username=namespace, password="no-matter-1")
    return Repository.objects.create(
        namespace=Namespace.objects.get(name=namespace) if namespace else None,
        name=name,
        description=description,
        **{"pushed_at": timezone.now(), **fields},
    )


def found(text: str, principal: Principal = NOBODY, **options) -> list[str]:
    return [repository.path for repository in search(principal, text, **options).items]


HOSTILE = {
    "NUL": "ap\0p",
    "wildcards": "%_\\",
    "a percent sign": "%",
    "quotes": "'; DROP TABLE repositories_repository; --",
    "double quotes": '"app" \\"',
    "long": "app " * 2500,
    "one long word": "a" * 10_000,
    "controls": "\x01\x1b[31mapp\r\n\t\x7f",
    "right to left": "\u202eppa\u202c \u05d0\u05e4\u05dc\u05d9\u05e7\u05e6\u05d9\u05d4",
    "lone surrogate": "\ud800app",
    "only separators": "-_.- / . /",
    "slashes": "////",
    "colons": ":::@@@",
    "digest": "@sha256:",
    "emoji": "👩‍👩‍👧‍👦",
    "SQL placeholders": "%s %(name)s {} $1",
    "regular expression": "(((((a+)+)+)+)+)$[",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_is_an_error(alices_app, text):
    results = search(NOBODY, text)
    assert results.total == len(results.items)


def test_wildcards_mean_themselves(db):
    add("alice/app", "100% pure")
    add("alice/other", "A thing")
    assert found("%") == ["alice/app"]
    assert found("t_ing") == []


@pytest.mark.parametrize("text", ["", "secret", "alice/secret", "alice/", "alice", "hush"])
def test_a_private_repository_is_found_by_its_owner_alone(alice, bob, sam, alices_secret, text):
    Repository.objects.update(pushed_at=timezone.now(), description="Hush")
    for stranger in [NOBODY, Principal(bob), Principal(sam)]:
        results = search(stranger, text)
        assert (results.items, results.total, results.pages) == ([], 0, 0)
    assert found(text, Principal(alice)) == ["alice/secret"]
    assert found(text, Principal(alice, AccessToken.Scope.READ)) == ["alice/secret"]


def test_what_nobody_pushed_to_is_listed_for_who_could(alice, bob, carol, alices_app, debian):
    assert found("") == found("", Principal(bob)) == []
    assert found("", Principal(alice)) == ["alice/app"]
    assert found("", Principal(carol)) == ["debian"]


def test_two_maintainers_do_not_make_two_results(alice, bob, debian):
    debian.maintainers.add(alice, bob)
    assert found("debian", Principal(bob)) == ["debian"]


@pytest.fixture
def index(db):
    """Some repositories, the popular ones last where the order shall not follow popularity."""
    add("nginx", "Web server", pull_count=10)
    add("node-exporter", "Figures of a machine", pull_count=10)
    add("alice/nginx", "My own build", pull_count=5_000)
    add("bob/nginx", "", pull_count=9_000)
    add("alice/nginx-proxy", "In front of everything", pull_count=50_000)
    add("alice/app", "Serves pages through nginx", pull_count=90_000)
    add("bob/app", "A fork of alice's app", pull_count=100_000)
    add("bob/my.nginx", "", pull_count=70)
    add("carol/tool", "数据库备份工具 for 東京", pull_count=1)
    add("carol/node_exporter", "", pull_count=99_000)


TEXTS = {
    "nginx": "nginx bob/nginx alice/nginx alice/nginx-proxy bob/my.nginx alice/app",
    "NGINX": "nginx bob/nginx alice/nginx alice/nginx-proxy bob/my.nginx alice/app",
    "library/nginx": "nginx bob/nginx alice/nginx alice/nginx-proxy bob/my.nginx alice/app",
    "ngi": "nginx alice/nginx-proxy bob/nginx alice/nginx bob/my.nginx alice/app",
    "bob/nginx": "bob/nginx bob/my.nginx",
    "hub.example.com/bob/nginx": "bob/nginx bob/my.nginx",
    "localhost:8080/bob/nginx:1.25": "bob/nginx bob/my.nginx",
    f"localhost/bob/nginx:v1@sha256:{'0' * 64}": "bob/nginx bob/my.nginx",
    "hub.example.com:8443/library/nginx:latest":
        "nginx bob/nginx alice/nginx alice/nginx-proxy bob/my.nginx alice/app",
    "alice/app": "alice/app bob/app",
    "alice app": "alice/app bob/app",
    "app alice": "alice/app bob/app",
    "  alice \t app  ": "alice/app bob/app",
    "alice/": "alice/app alice/nginx-proxy alice/nginx",
    "alice/ng": "alice/nginx-proxy alice/nginx alice/app",
    "alice": "alice/app alice/nginx-proxy alice/nginx bob/app",
    "hub.example.com/alice/": "alice/app alice/nginx-proxy alice/nginx",
    "node-exporter": "node-exporter carol/node_exporter",
    "node_exporter": "node-exporter carol/node_exporter",
    "Node Exporter": "node-exporter carol/node_exporter",
    "nodeexporter": "node-exporter carol/node_exporter",
    "carol/node.exporter": "carol/node_exporter",
    "nginx proxy": "alice/nginx-proxy",
    "proxy everything": "alice/nginx-proxy",
    "FORK": "bob/app",
    "数据库": "carol/tool",
    "東京 备份": "carol/tool",
    "nginx nowhere": "",
    "dave/nginx": "",
    "dave/": "",
    "q/q/q/q": "",
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TEXTS.items(), ids=TEXTS)
def test_text(index, text, expected):
    assert found(text) == expected.split()


@pytest.mark.parametrize("text", ["", "  ", "\0", "localhost:8080/", "-"])
def test_no_text_finds_what_is_popular(index, text):
    assert found(text)[:3] == ["bob/app", "carol/node_exporter", "alice/app"]
    assert search(NOBODY, text).total == 10


def test_a_stranger_can_not_push_in_front_of_the_top_level(db):
    add("nginx", pull_count=1)
    add("ngi/nx", pull_count=1_000_000)
    add("alice/ngi-nx", pull_count=1_000_000)
    assert found("nginx")[0] == "nginx"
    assert found("ngi-nx")[0] == "nginx"


def test_pages(db):
    for number in range(7):
        add(f"alice/app{number}", pull_count=7 - number)

    results = search(NOBODY, "app", page=2, page_size=3)
    assert [repository.name for repository in results.items] == ["app3", "app4", "app5"]
    assert (results.total, results.page, results.pages) == (7, 2, 3)

    assert found("app", page=3, page_size=3) == ["alice/app6"]
    assert found("app", page=4, page_size=3) == []
    assert found("app", page=10**30, page_size=10**30) == []
    assert len(found("app", page=-5, page_size=-5)) == 1


def test_a_page_has_at_most_a_hundred(db):
    for number in range(MAX_PAGE_SIZE + 1):
        add(f"alice/app{number}")
    assert len(found("", page_size=10**6)) == MAX_PAGE_SIZE


def test_equals_keep_their_order(db):
    for name in ["c", "a", "b"]:
        add(f"alice/app-{name}")
    assert found("app") == ["alice/app-a", "alice/app-b", "alice/app-c"]


def test_costs_a_query_for_a_page_and_one_for_the_total(index, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert len(found("nginx", page_size=6)) == 6
    with django_assert_num_queries(1):  # a page that isn't full ends the list
        assert len(found("nginx")) == 6
    with django_assert_num_queries(1):
        assert found("nowhere") == []
