"""The first hour of an index: from the link in the terminal to a private repository."""

import os
import re
import subprocess

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import assert_good_in_every_appearance
from tests.protocol.clients import Docker, wait_for
from tests.stack import Stack

pytestmark = pytest.mark.browser


def paste(docker: Docker, line: str) -> str:
    """Run a line from a page as a person would: in a shell, with this docker."""
    environment = {
        "PATH": f"/usr/bin:{os.environ['PATH']}",
        "DOCKER_HOST": docker.address,
        "DOCKER_CONFIG": str(docker.config),
    }
    done = subprocess.run(
        ["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shown(page: Page, label: str) -> str:
    """The text of the box with a copy button that is called ``label``."""
    return page.get_by_label(label, exact=True).first.inner_text().strip()


def test_the_first_hour(tmp_path, new_context, docker):
    """An index of its own, since the link for the first staff account works once."""
    with Stack(tmp_path) as index:
        link = wait_for(
            lambda: re.search(r"http://\S+/account/first-staff/\S+", index.output()), "the link"
        )[0]
        staff = new_context(url=index.url).new_page()
        staff.goto(link)
        assert_good_in_every_appearance(staff, "first-staff")
        staff.fill("[name=username]", "sam")
        staff.fill("[name=email]", "sam@example.com")
        staff.fill("[name=password]", "the first of many")
        staff.click("main button[type=submit]")
        expect(staff.locator("header").get_by_text("sam")).to_be_visible()
        for address in [
            "/",
            "/staff",
            "/staff/accounts",
            "/staff/accounts/sam",
            "/staff/top-level",
        ]:
            staff.goto(address)
            assert_good_in_every_appearance(staff, f"staff{address}".replace("/", "-"))
        staff.goto(link)
        assert_good_in_every_appearance(staff, "first-staff-is-over")

        alice = new_context(url=index.url).new_page()
        sign_up(alice, "alice")
        log_in, secret = make_token(alice, "laptop")
        assert "Login Succeeded" in paste(docker, log_in)

        # The page is open already when the push comes: the tag appears by itself.
        alice.goto("/repositories/new")
        assert_good_in_every_appearance(alice, "new-repository")
        alice.fill("[name=name]", "web")
        alice.fill("[name=description]", "Serves pages")
        alice.click("main button[type=submit]")
        expect(alice).to_have_url(re.compile("/r/alice/web$"))
        push = shown(alice, "Push")
        assert_good_in_every_appearance(alice, "repository-empty")
        docker.build(push.split()[-1])
        paste(docker, push)
        pull = f"docker pull {index.host}/alice/web"
        expect(alice.get_by_label(re.compile("Pull"))).to_contain_text(pull, timeout=3000)
        assert_good_in_every_appearance(alice, "repository")
        alice.goto("/r/alice/web/tags")
        expect(alice.get_by_text("linux/amd64").first).to_be_visible(timeout=10_000)
        assert_good_in_every_appearance(alice, "tags")

        bob = new_context(url=index.url).new_page()
        bob.goto("/")
        bob.keyboard.press("/")
        bob.keyboard.type("pages")
        bob.keyboard.press("Enter")
        expect(bob.get_by_role("link", name="alice/web").first).to_be_visible()
        assert_good_in_every_appearance(bob, "search")

        alice.goto("/r/alice/web/settings")
        assert_good_in_every_appearance(alice, "settings")
        alice.check("[name=is_private][value=True]")
        alice.locator("form:has([name=is_private]) button[type=submit]").click()
        bob.reload()
        expect(bob.get_by_role("link", name="alice/web")).to_have_count(0)
        bob.goto("/r/alice/web")
        assert bob.title().startswith("Not found") or bob.get_by_text("404").count()
        assert secret not in alice.content()


def test_every_page_of_an_account(index, page):
    page.goto("/account/signup/")
    assert_good_in_every_appearance(page, "sign-up")
    page.fill("[name=username]", "Not a name!")
    page.fill("[name=password1]", "123")
    page.click("main button[type=submit]")
    assert_good_in_every_appearance(page, "sign-up-refused")

    sign_up(page, "grace")
    make_token(page, "ci")
    for address in [
        *["/", "/u/grace", "/account/", "/account/tokens", "/account/email/"],
        *["/account/password/change/", "/account/sessions/", "/account/logout/"],
        *["/search?q=", "/search?q=nothing+at+all", "/nowhere", "/u/nobody"],
    ]:
        page.goto(address)
        assert_good_in_every_appearance(page, "account" + re.sub(r"\W+", "-", address))


def test_pages_of_somebody_who_is_not_signed_in(page):
    for address in ["/", "/account/login/", "/account/password/reset/", "/search?q=x"]:
        page.goto(address)
        assert_good_in_every_appearance(page, "visitor" + re.sub(r"\W+", "-", address))


def test_without_javascript(index, new_context, inside):
    inside("User.objects.create_user('henry', password='a plain password').pk")
    page = new_context(index.url, java_script_enabled=False).new_page()
    page.goto("/account/login/")
    page.fill("[name=login]", "henry")
    page.fill("[name=password]", "a plain password")
    page.click("main button[type=submit]")
    page.goto("/repositories/new")
    page.fill("[name=name]", "plain")
    page.click("main button[type=submit]")
    expect(page).to_have_url(re.compile("/r/henry/plain$"))
    page.goto("/search?q=henry")
    expect(page.get_by_role("link", name="henry/plain").first).to_be_visible()


def test_nothing_comes_from_elsewhere(index, page):
    """No page, font or script needs the internet, and the policy refuses nothing of ours."""
    asked, refused = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: refused.append(message.text))
    for address in ["/", "/search?q=a", "/account/login/", "/account/signup/", "/nowhere"]:
        page.goto(address)
    assert {url.split("/")[2] for url in asked if not url.startswith("data:")} == {index.host}
    assert [text for text in refused if "404" not in text] == []


def sign_up(page: Page, name: str) -> None:
    page.goto("/account/signup/")
    page.fill("[name=username]", name)
    page.fill("[name=email]", f"{name}@example.com")
    page.fill("[name=password1]", f"{name} and a horse")
    page.click("main button[type=submit]")
    expect(page.locator("header").get_by_text(name)).to_be_visible()


def make_token(page: Page, name: str) -> tuple[str, str]:
    """The line that logs docker in, and the token itself, as the page shows them once."""
    page.goto("/account/tokens/new")
    assert_good_in_every_appearance(page, "new-token")
    page.fill("[name=name]", name)
    page.click("main button[type=submit]")
    line, secret = shown(page, "Docker"), shown(page, "Access token")
    assert secret.startswith("gtp_") and secret in line
    assert_good_in_every_appearance(page, "created-token")
    page.reload()
    assert secret not in page.content()
    return line, secret
