"""Chromium on a whole index: pages, pictures of them, and axe."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from portal.env import BASE_DIR
from tests.protocol.conftest import _docker, docker, inside  # noqa: F401

SCREENSHOTS = BASE_DIR / "var" / "screenshots"
# A desk, a desk at night, a phone.
APPEARANCES = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-background-networking", "--disable-sync"],
        )
        yield browser
        browser.close()


@pytest.fixture
def new_context(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    contexts: list[BrowserContext] = []

    def make(url: str, **options: object) -> BrowserContext:
        context = chromium.new_context(
            base_url=url, reduced_motion="reduce", **APPEARANCES["light"], **options
        )
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_context, index) -> Page:
    return new_context(index.url).new_page()


def assert_good_in_every_appearance(page: Page, name: str) -> None:
    """axe finds nothing, nothing is wider than the screen, in light, dark and on a phone."""
    before = page.viewport_size
    for appearance, options in APPEARANCES.items():
        page.emulate_media(color_scheme=options["color_scheme"])
        page.set_viewport_size(options["viewport"])
        found = Axe().run(page)
        assert found.violations_count == 0, f"{name}, {appearance}:\n{found.generate_report()}"
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= options["viewport"]["width"], f"{name}, {appearance}: {width} px wide"
        photograph(page, f"{name}-{appearance}")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(before)


def photograph(page: Page, name: str) -> Path:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path
