"""What an image's pages tell, on a screen: tags, one tag, its history, and any digest."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import assert_good_in_every_appearance
from tests.protocol.conftest import layout, new_person, skopeo  # noqa: F401

pytestmark = pytest.mark.browser

CONFIG = {
    "Entrypoint": ["/hello"],
    "ExposedPorts": {"80/tcp": {}},
    "Volumes": {"/var/lib/hello": {}},
    "Env": ["PATH=/bin", "GREETING=hello"],
    "Labels": {"org.opencontainers.image.licenses": "MIT"},
}


def test_from_the_tags_to_a_digest_and_back(index, new_context, new_person, skopeo, layout):  # noqa: F811
    alice = new_person("alice")
    for number, tag in enumerate(["1.0", "1.1"]):
        children = [
            layout.image(
                files={"hello": f"{tag} {machine}".encode()},
                platform=("linux", machine),
                config=CONFIG,
            )
            for machine in ["amd64", "arm64"]
        ]
        layout.index(f"image-{number}", children)
        credentials = ["--all", "--dest-creds", f"{alice.name}:{alice.token}"]
        for name in [tag, "latest"]:
            target = f"docker://{index.host}/{alice.name}/web:{name}"
            skopeo(
                "copy",
                "--dest-tls-verify=false",
                *credentials,
                layout.reference(f"image-{number}"),
                target,
            )

    page = new_context(index.url).new_page()
    page.goto("/account/login/")
    page.fill("[name=login]", alice.name)
    page.fill("[name=password]", alice.password)
    page.click("main button[type=submit]")

    page.goto(f"/r/{alice.name}/web")
    run = "docker run -d -p 8080:80 -v web-hello:/var/lib/hello -e GREETING=VALUE"
    expect(page.get_by_label("Run", exact=True)).to_contain_text(run, timeout=10_000)
    assert_good_in_every_appearance(page, "image-repository")

    page.goto(f"/r/{alice.name}/web/tags")
    expect(page.get_by_role("link", name="1.0", exact=True)).to_be_visible()
    assert_good_in_every_appearance(page, "image-tags")
    page.select_option("[name=sort]", "name")
    expect(page.locator(".tag-name").first).to_have_text("1.0")

    page.goto(f"/r/{alice.name}/web/tags/latest?platform=linux/arm64")
    expect(page.get_by_text("COPY hello /hello")).to_be_visible()
    assert_good_in_every_appearance(page, "image-tag")

    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("now", exact=True)).to_be_visible()
    assert_good_in_every_appearance(page, "image-history")
    older = page.locator("tbody tr").nth(1).locator("code").inner_text()
    page.get_by_role("button", name="Put").click()
    expect(page.get_by_role("status").first).to_contain_text("again")
    assert page.locator("tbody tr").first.locator("code").inner_text() == older

    page.goto("/digest")
    assert_good_in_every_appearance(page, "image-digest-box")
    page.fill("#digest", older.removeprefix("sha256:")[:12])
    page.keyboard.press("Enter")
    expect(page.get_by_text("An image index")).to_be_visible()
    assert_good_in_every_appearance(page, "image-digest")
    page.goto(f"/digest/sha256:{'0' * 64}")
    assert_good_in_every_appearance(page, "image-digest-unknown")
