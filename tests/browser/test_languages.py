"""Help, and the site in 简体中文, in a browser: what axe finds, and the switch at the foot."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import assert_good_in_every_appearance

pytestmark = pytest.mark.browser

ENGLISH = ["/help/", "/help/log-in"]
CHINESE = ["/", "/search", "/account/signup/", "/why", "/help/", "/help/short-names", "/nothing"]


def test_the_switch_works_without_javascript_and_is_remembered(new_context, index):
    page = new_context(index.url, java_script_enabled=False, locale="en-US").new_page()
    page.goto("/search?q=a")
    page.get_by_role("button", name="简体中文").click()
    expect(page).to_have_url(f"{index.url}/search?q=a")
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    page.goto("/help/")
    expect(page.get_by_role("heading", level=1)).to_have_text("帮助")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Help")


def test_help_is_good_to_read(page):
    for path in ENGLISH:
        page.goto(path)
        assert_good_in_every_appearance(page, name_of(path))


def test_chinese_pages_are_good_to_read(new_context, index):
    page = new_context(index.url, locale="zh-CN").new_page()
    for path in CHINESE:
        page.goto(path)
        expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
        assert_good_in_every_appearance(page, f"zh-{name_of(path)}")


def name_of(path: str) -> str:
    return path.strip("/").replace("/", "-") or "home"
