"""/: search, what staff keep, what rises, what is new, and one's own."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from repositories.models import DailyPulls, Repository
from tests.repositories.pushed import push
from tests.repositories.test_repository_page import text_of


def paths(repositories) -> list[str]:
    return [repository.path for repository in repositories]


def repository(owner, name: str, *, is_pushed: bool = True, **fields: object) -> Repository:
    namespace = owner.namespace if owner else None
    made = Repository.objects.create(namespace=namespace, name=name, **fields)
    if is_pushed:
        push(made, "latest")
    return made


def pulled(repository: Repository, counts: dict[int, int]) -> None:
    """So often, by how many days ago."""
    today = timezone.now().date()
    for days_ago, count in counts.items():
        day = today - timedelta(days=days_ago)
        DailyPulls.objects.create(repository=repository, tag="latest", day=day, count=count)


def test_nothing_private_and_nothing_without_an_image_is_listed(client, alice, debian):
    concealed = repository(alice, "concealed", is_private=True)
    repository(alice, "unpushed", is_pushed=False)
    pulled(concealed, {0: 100})
    page = client.get("/")
    assert "concealed" not in text_of(page)
    assert "unpushed" not in text_of(page)
    assert page.context["top_level"] == []  # debian has no image yet


def test_what_becomes_private_goes_at_once(client, alice):
    public = repository(alice, "public")
    pulled(public, {0: 100})
    assert paths(client.get("/").context["rising"]) == ["alice/public"]
    Repository.objects.update(is_private=True)
    assert client.get("/").context["rising"] == []


def test_rising_is_what_gained_the_most_pulls(client, alice):
    pulled(repository(alice, "steady"), {0: 1000, 20: 1000})
    pulled(repository(alice, "falling"), {0: 10, 20: 1000})
    pulled(repository(alice, "growing"), {0: 500, 20: 10})
    pulled(repository(alice, "started"), {3: 20})
    assert paths(client.get("/").context["rising"]) == ["alice/growing", "alice/started"]


def test_top_level_by_pulls_and_new_ones_by_age(client, alice):
    repository(None, "debian", pull_count=5)
    repository(None, "python", pull_count=7)
    repository(alice, "first")
    repository(alice, "second")
    context = client.get("/").context
    assert paths(context["top_level"]) == ["python", "debian"]
    assert paths(context["newest"]) == ["alice/second", "alice/first"]


def test_an_empty_index_says_what_comes_next(client, db, settings):
    assert "/account/signup/" in text_of(client.get("/"))
    settings.REGISTRATION = "closed"
    page = text_of(client.get("/"))
    assert "/account/signup/" not in page
    assert "/account/login/" in page


def test_a_newcomer_gets_the_lines_to_push_with_his_name(client, alice):
    client.force_login(alice)
    page = text_of(client.get("/"))
    assert "docker login localhost:8080 -u alice" in page
    assert "docker push localhost:8080/alice/app<" in page


def test_who_has_pushed_sees_his_own_instead(client, alice):
    repository(alice, "mine", is_private=True)
    repository(alice, "waiting", is_pushed=False)
    client.force_login(alice)
    page = client.get("/")
    assert paths(page.context["own"]) == ["alice/waiting", "alice/mine"]
    assert "docker push" not in text_of(page)


@pytest.mark.parametrize("count", [1, 6])
def test_costs_the_same_queries_for_many(client, alice, count, django_assert_num_queries):
    for number in range(count):
        repository(None, f"top{number}")
        pulled(repository(alice, f"user{number}"), {0: 3})
    cache.clear()
    # Top-level; gains of pulls, and the repositories that rise; new ones.
    with django_assert_num_queries(4):
        client.get("/")
    # The gains are remembered.
    with django_assert_num_queries(3):
        client.get("/")
