"""Letting somebody in, being let in, and the pages about refusals, by keyboard where one would."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from repositories.refusals import Rule
from tests.browser.conftest import assert_good_in_every_appearance
from tests.protocol.conftest import Person, alice_there, bob_there, new_person  # noqa: F401

pytestmark = pytest.mark.browser


def signed_in(context: BrowserContext, person: Person) -> Page:
    page = context.new_page()
    page.goto("/account/login/")
    page.fill("[name=login]", person.name)
    page.fill("[name=password]", person.password)
    page.press("[name=password]", "Enter")
    expect(page.locator("header").get_by_text(person.name)).to_be_visible()
    return page


def test_invite_accept_change_and_leave(index, inside, new_context, alice_there, bob_there):  # noqa: F811
    inside(
        f"Repository.objects.create(name='tools', is_private=True,"
        f" namespace=Namespace.objects.get(name={alice_there.name!r})).pk"
    )
    path = f"{alice_there.name}/tools"
    alice = signed_in(new_context(index.url), alice_there)
    bob = signed_in(new_context(index.url), bob_there)

    alice.goto(f"/r/{path}/settings")
    alice.get_by_role("link", name="Collaborators and access").click()
    assert_good_in_every_appearance(alice, "who-may-nobody")
    alice.get_by_label("User name").first.fill("nobody-of-that-name")
    alice.get_by_label("Push: pull and push").check()
    alice.get_by_role("button", name="Invite").click()
    expect(alice.get_by_text("There is no user with the name")).to_be_visible()
    alice.get_by_label("User name").first.fill(bob_there.name)
    alice.keyboard.press("Enter")
    expect(alice.get_by_role("row", name=bob_there.name)).to_contain_text("Invited")
    assert_good_in_every_appearance(alice, "who-may-invited")

    bob.goto("/")
    assert_good_in_every_appearance(bob, "home-invited")
    bob.goto(f"/r/{path}/invitation")
    assert_good_in_every_appearance(bob, "invitation")
    bob.get_by_role("button", name=f"Accept the invitation to {path}").press("Enter")
    expect(bob.get_by_text("You are a collaborator here")).to_be_visible()
    assert_good_in_every_appearance(bob, "repository-of-a-collaborator")

    alice.goto(f"/r/{path}/settings/who-may")
    question = alice.locator("#question")
    question.get_by_label("User name").fill(bob_there.name)
    question.get_by_label("May").select_option("delete")
    question.get_by_label("Tag").fill("1.0")
    alice.keyboard.press("Enter")
    expect(question.get_by_role("status")).to_contain_text(
        "collaborator with the level “push” only"
    )
    assert_good_in_every_appearance(alice, "who-may-answered")
    row = alice.get_by_role("row", name=bob_there.name)
    row.get_by_label(f"Level of {bob_there.name}", exact=True).select_option("admin")
    row.get_by_role("button", name="Change").click()
    expect(alice.get_by_text("is “admin” now")).to_be_visible()

    bob.goto(f"/r/{path}/settings/who-may")
    assert_good_in_every_appearance(bob, "who-may-of-an-administrator")
    bob.get_by_role("row", name=bob_there.name).get_by_role("link", name="Leave").click()
    assert_good_in_every_appearance(bob, "your-part")
    bob.get_by_role("button", name=f"Leave {path}").click()
    expect(bob.get_by_text("You have no part in")).to_be_visible()
    assert bob.goto(f"/r/{path}").status == 404


def test_the_pages_about_refusals(index, new_context, alice_there):  # noqa: F811
    alice = signed_in(new_context(index.url), alice_there)
    alice.goto("/why")
    assert_good_in_every_appearance(alice, "why")
    for rule in Rule:
        path = "debian" if rule == Rule.TOP_LEVEL else "somebody/tool"
        alice.goto(f"/why/{rule}?path={path}&action=push&tag=1.0")
        assert_good_in_every_appearance(alice, f"why-{rule}")
