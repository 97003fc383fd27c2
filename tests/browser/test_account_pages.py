"""The pages of security and of leaving: seen, in both languages, and gone through to the end."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import assert_good_in_every_appearance
from tests.protocol.conftest import alice_there, new_person  # noqa: F401

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_somebody_leaves_and_comes_back(index, new_context, alice_there, inside, locale):  # noqa: F811
    name, password = alice_there.name, alice_there.password
    inside(
        f"Repository.objects.create(name='app', namespace=Namespace.objects.get(name={name!r})).pk"
    )
    page = new_context(index.url, locale=locale).new_page()

    def sign_in(secret: str) -> None:
        page.goto("/account/login/")
        page.fill("[name=login]", name)
        page.fill("[name=password]", secret)
        page.click("main button[type=submit]")

    sign_in("a wrong password")
    sign_in(password)
    page.goto("/account/security")
    expect(page.locator("main table")).to_have_count(2)
    assert_good_in_every_appearance(page, f"security-{locale}")

    page.goto("/account/")
    page.click("#delete .btn-danger")
    expect(page.get_by_role("link", name=f"{name}/app")).to_be_visible()
    assert_good_in_every_appearance(page, f"delete-account-{locale}")
    page.fill("[name=username]", name)
    page.fill("[name=password]", password)
    page.click("main .btn-danger")
    expect(page.locator("header").get_by_text(name)).to_have_count(0)
    assert_good_in_every_appearance(page, f"account-deletion-asked-{locale}")

    sign_in(password)
    expect(page).to_have_url(f"{index.url}/account/deletion/undo")
    assert_good_in_every_appearance(page, f"undo-deletion-{locale}")
    page.click("main .btn-primary")
    expect(page.locator("header").get_by_text(name).first).to_be_visible()
