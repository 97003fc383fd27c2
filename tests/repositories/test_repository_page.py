"""/r/alice/app and /_/debian: what a repository is, and the line to paste."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from repositories.models import DailyPulls, Manifest, Repository
from tests.repositories.pushed import digest_of, push, push_index

PUBLIC, SECRET = "/r/alice/app", "/r/alice/secret"


def text_of(response) -> str:
    """The page, with single plain spaces, and without the token that is new each time."""
    page = re.sub(r'(name="csrfmiddlewaretoken" value=")[^"]+', r"\1", response.content.decode())
    return " ".join(page.split())


@pytest.mark.parametrize("page", ["", "/tags"])
def test_a_private_repository_is_not_there_for_strangers(client, alices_secret, bob, page):
    push(alices_secret, "latest")
    unknown = client.get(f"/r/alice/nothing{page}")
    private = client.get(f"{SECRET}{page}")
    assert private.status_code == unknown.status_code == 404
    assert text_of(private).replace("secret", "nothing") == text_of(unknown)

    client.force_login(bob)
    assert client.get(f"{SECRET}{page}").status_code == 404


@pytest.mark.parametrize(
    "path", ["/r/alice/-", "/r/Al%00ice/app", "/_/staff", "/_/%27%20OR%201", "/r/a/b%0Ac"]
)
def test_what_can_be_no_name_is_not_there(client, db, path):
    assert client.get(path).status_code == 404


def test_its_owner_sees_a_private_repository_marked_as_such(client, alice, alices_secret):
    push(alices_secret, "latest")
    client.force_login(alice)
    page = text_of(client.get(SECRET))
    assert "Private: it exists for alice and those whom alice lets in" in page
    assert "docker login localhost:8080" in page
    assert '<meta name="robots" content="noindex">' in page


def test_an_empty_repository_gives_its_owner_the_lines_to_push(client, alice, alices_app):
    client.force_login(alice)
    page = text_of(client.get(PUBLIC))
    assert "docker login localhost:8080 -u alice" in page
    assert "docker push localhost:8080/alice/app<" in page
    assert "docker pull localhost" not in page


def test_an_empty_repository_tells_others_that_it_is_empty(client, alices_app):
    page = text_of(client.get(PUBLIC))
    assert "Nothing has been pushed here so far" in page
    assert "docker push" not in page


def test_what_ones_first_push_would_make_is_not_there_but_says_how(client, alice, bob):
    client.force_login(alice)
    response = client.get("/r/alice/new")
    assert response.status_code == 404
    assert "docker push localhost:8080/alice/new<" in text_of(response)
    assert "hx-get" in text_of(response)
    assert client.get("/r/alice/new", headers={"HX-Request": "true"}).status_code == 204

    client.force_login(bob)
    assert "docker push" not in text_of(client.get("/r/alice/new"))


def test_shows_the_line_to_pull_for_each_tool(client, alices_app):
    manifest = push(alices_app, "latest")
    page = text_of(client.get(PUBLIC))
    assert "docker pull localhost:8080/alice/app<" in page
    assert "podman pull --tls-verify=false localhost:8080/alice/app<" in page
    assert "FROM localhost:8080/alice/app<" in page
    assert f"docker pull localhost:8080/alice/app@{manifest.digest}<" in page


def test_over_https_podman_needs_no_flag(client, alices_app, settings):
    settings.IS_HTTPS = True
    push(alices_app, "latest")
    assert "podman pull localhost:8080/alice/app<" in text_of(client.get(PUBLIC))


def test_an_index_that_docker_does_not_trust_says_what_to_set(client, alice, alices_app, settings):
    settings.SITE_HOST = "hub.example.com"
    client.force_login(alice)
    assert "insecure-registries" in text_of(client.get(PUBLIC))


def test_the_newest_tag_stands_in_where_there_is_no_latest(client, alices_app):
    push(alices_app, "1.0", image="old", hours_ago=5)
    push(alices_app, "1.1", image="new")
    assert "docker pull localhost:8080/alice/app:1.1<" in text_of(client.get(PUBLIC))


def test_another_tag_can_be_chosen(client, alices_app):
    push(alices_app, "latest", image="new")
    push(alices_app, *[f"1.{minor}" for minor in range(40)], image="old", hours_ago=5)
    assert "docker pull localhost:8080/alice/app:1.3<" in text_of(client.get(f"{PUBLIC}?tag=1.3"))
    assert "docker pull localhost:8080/alice/app<" in text_of(client.get(f"{PUBLIC}?tag=none"))
    assert "docker pull localhost:8080/alice/app<" in text_of(client.get(f"{PUBLIC}?tag=%00"))


def test_says_who_vouches(client, alices_app, debian):
    assert "Unchecked: alice pushes here" in text_of(client.get(PUBLIC))
    top_level = text_of(client.get("/_/debian"))
    assert "the staff of this index chose carol to keep it" in top_level
    assert "Unchecked" not in top_level


def test_shows_platforms_with_their_compressed_sizes_and_no_attestation(client, alices_app):
    push_index(alices_app, "latest", sizes={"linux/amd64": 29_000_000, "linux/arm64": 31_400_000})
    page = text_of(client.get(PUBLIC))
    assert "linux/amd64" in page and "29 MB" in page
    assert "linux/arm64" in page and "31 MB" in page
    assert "unknown/unknown" not in page


def test_says_why_a_manifest_can_not_be_read(client, alices_app):
    push(alices_app, "latest", kind="malformed", problem="a layer has no size")
    assert "a layer has no size" in text_of(client.get(PUBLIC))


def test_shows_pulls_by_day_and_by_week_as_bars_and_as_a_table(client, alices_app):
    push(alices_app, "latest")
    assert "<rect" not in text_of(client.get(PUBLIC))
    today = timezone.now().date()
    for days_ago, count in [(0, 5), (29, 7), (30, 100), (363, 1000), (364, 10_000)]:
        for tag in ["latest", ""]:
            day = today - timedelta(days=days_ago)
            DailyPulls.objects.create(repository=alices_app, tag=tag, day=day, count=count)
    response = client.get(PUBLIC)
    page = text_of(response)
    assert "24 in 30 days" in page
    assert "2.2 k in a year" in page
    assert page.count("<rect") == 2 + 3
    assert '<td class="number">2,000</td>' in page or '<td class="number">2000</td>' in page
    assert "style=" not in page
    weeks = response.context["charts"].by_week.bars
    assert [(bar.first, bar.last) for bar in weeks[-2:]] == [
        (today - timedelta(days=13), today - timedelta(days=7)),
        (today - timedelta(days=6), today),
    ]


class TestWhyItIsNotListed:
    def test_is_told_to_who_can_change_it(self, client, alice, alices_app, alices_secret):
        client.force_login(alice)
        assert "Nothing has been pushed to it yet" in text_of(client.get(PUBLIC))
        assert "It is private" in text_of(client.get(SECRET))

    def test_is_of_no_concern_to_others(self, client, alices_app, bob):
        client.force_login(bob)
        assert "Not listed" not in text_of(client.get(PUBLIC))

    def test_is_silent_where_it_is(self, client, alice, alices_app):
        push(alices_app, "latest")
        client.force_login(alice)
        assert "Not listed" not in text_of(client.get(PUBLIC))

    def test_says_that_the_registry_lost_it(self, client, alice, alices_app):
        push(alices_app, "latest")
        Repository.objects.update(missing_since="2026-01-01T00:00Z")
        client.force_login(alice)
        assert "the registry has no image of it any more" in text_of(client.get(PUBLIC))


class TestTheLineThatRunsIt:
    def test_is_made_of_ports_volumes_and_environment(self, client, alices_app):
        facts = {"ports": ["80/tcp"], "volumes": ["/data"], "environment": ["PATH", "TITLE"]}
        push(alices_app, "latest", facts=facts)
        line = "docker run -d -p 8080:80 -v app-data:/data -e TITLE=VALUE localhost:8080/alice/app"
        page = text_of(client.get(PUBLIC))
        assert f"{line}<" in page
        assert "Put your own value in the place of each" in page

    def test_is_of_an_index_that_of_the_machine_most_people_have(self, client, alices_app):
        push_index(alices_app, "latest", sizes={"linux/arm64": 1, "linux/amd64": 1})
        amd64 = Manifest.objects.get(architecture="amd64", kind="image")
        Manifest.objects.filter(pk=amd64.pk).update(facts={"ports": ["443/tcp"]})
        assert "docker run -d -p 8443:443 localhost" in text_of(client.get(PUBLIC))

    def test_is_missing_where_nothing_runs(self, client, alices_app):
        push(alices_app, "chart", kind="artifact", artifact_type="application/x.helm")
        assert "docker run" not in text_of(client.get(PUBLIC))


def test_renders_the_readme(client, alices_app):
    alices_app.readme = "# Use\n\n<script>alert(1)</script>\n\n*Gladly*"
    alices_app.save()
    page = text_of(client.get(PUBLIC))
    assert "<em>Gladly</em>" in page
    assert "alert(1)" not in page


def test_hostile_texts_stay_texts(client, alices_app):
    alices_app.description = "<script>alert(1)</script>"
    alices_app.save()
    assert "<script>alert" not in text_of(client.get(PUBLIC))


def test_settings_are_linked_for_those_who_may(client, alice, alices_app):
    assert "/r/alice/app/settings" not in text_of(client.get(PUBLIC))
    client.force_login(alice)
    assert "/r/alice/app/settings" in text_of(client.get(PUBLIC))


class TestAnOpenPage:
    """It asks again and again, with what it has seen, and is told only what is new."""

    def ask(self, client, seen: str, page: str = PUBLIC):
        return client.get(page, {"seen": seen}, headers={"HX-Request": "true"})

    def test_of_a_stranger_does_not_ask(self, client, alices_app):
        push(alices_app, "latest")
        assert "hx-get" not in text_of(client.get(PUBLIC))

    def test_of_anybody_asks_while_a_manifest_is_being_read(self, client, alices_app):
        push(alices_app, "latest", kind="unread", size_bytes=None)
        page = text_of(client.get(PUBLIC))
        assert "Being read" in page
        assert "hx-get" in page

    @pytest.mark.parametrize("page", [PUBLIC, f"{PUBLIC}/tags"])
    def test_hears_of_a_push_and_of_what_was_read_once(self, client, alice, alices_app, page):
        client.force_login(alice)
        seen = client.get(page).context["live"]["state"]
        assert self.ask(client, seen, page).status_code == 204

        push(alices_app, "latest", kind="unread", size_bytes=None)
        pushed = self.ask(client, seen, page)
        assert "alice/app has 1 tag now" in text_of(pushed)
        seen = pushed.context["live"]["state"]
        assert self.ask(client, seen, page).status_code == 204

        Manifest.objects.update(kind="image", size_bytes=1_000_000)
        assert "linux/amd64" in text_of(self.ask(client, seen, page))

    def test_is_a_whole_page_for_whoever_opens_that_address(self, client, alice, alices_app):
        client.force_login(alice)
        seen = client.get(PUBLIC).context["live"]["state"]
        assert client.get(PUBLIC, {"seen": seen}).status_code == 200

    def test_costs_few_queries_when_nothing_is_new(
        self, client, alice, alices_app, django_assert_max_num_queries
    ):
        client.force_login(alice)
        seen = client.get(PUBLIC).context["live"]["state"]
        # Session and user (2), repository, unread manifests; allauth notes the session's use.
        with django_assert_max_num_queries(9):
            self.ask(client, seen)


def test_costs_the_same_queries_for_many_tags(client, alices_app, django_assert_num_queries):
    for number in range(40):
        sizes = {"linux/amd64": 1000, "linux/arm64": 1000}
        push_index(alices_app, f"v{number}", image=f"{number}", sizes=sizes)
    # Repository; unread manifests; 30 tags; "latest" (there is none); parts; children; what the
    # image for amd64 says; tags counted; pulls by day.
    with django_assert_num_queries(9):
        client.get(PUBLIC)


def test_top_level_costs_one_more_for_its_maintainers(
    client, debian, alice, bob, django_assert_num_queries
):
    debian.maintainers.add(alice, bob)
    push(debian, "latest")
    with django_assert_num_queries(6):
        client.get("/_/debian")


def test_attachments_are_not_offered_as_tags(client, alices_app):
    push(alices_app, "1.0", hours_ago=1)
    push(alices_app, f"sha256-{'a' * 64}.sig", image="a signature", kind="artifact")
    page = text_of(client.get(PUBLIC))
    assert "sha256-" not in page
    assert "docker pull localhost:8080/alice/app:1.0<" in page
    assert digest_of("an image") in page
