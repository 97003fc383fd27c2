"""podman and skopeo (containers/image), unmodified."""

import json

import pytest

from tests.protocol.clients import PLAIN_HTTP, Failed, wait_for
from tests.protocol.test_docker import make_private

pytestmark = pytest.mark.clients


def test_a_wrong_password_is_refused_and_nothing_is_kept(index, podman, skopeo, alice_there):
    for client in [podman, skopeo]:
        with pytest.raises(Failed, match="invalid username/password"):
            client("login", PLAIN_HTTP, "-u", alice_there.name, "-p", "wrong", index.host)
        assert not client.authfile.exists() or index.host not in client.authfile.read_text()


def test_podman_pushes_pulls_and_searches(index, podman, skopeo, layout, alice_there):
    image = f"{index.host}/{alice_there.name}/tool:2"
    layout.image("2")
    podman("login", PLAIN_HTTP, "-u", alice_there.name, "-p", alice_there.token, index.host)
    podman("pull", layout.reference("2"))
    local = podman("images", "-q").split()[0]
    podman("push", PLAIN_HTTP, local, f"docker://{image}")
    podman("logout", index.host)
    podman("rmi", "-af")

    podman("pull", PLAIN_HTTP, image)
    found = podman("search", PLAIN_HTTP, f"{index.host}/{alice_there.name}")
    assert f"{alice_there.name}/tool" in found


def test_skopeo_copies_inspects_and_lists(index, skopeo, layout, alice_there):
    path = f"{alice_there.name}/multi"
    arms = layout.image(platform=("linux", "arm64"))
    intels = layout.image(platform=("linux", "amd64"))
    layout.index("1", [intels, arms])
    skopeo("login", PLAIN_HTTP, "-u", alice_there.name, "-p", alice_there.token, index.host)
    for tag in ["1", "latest"]:
        target = f"docker://{index.host}/{path}:{tag}"
        skopeo("copy", "--all", "--dest-tls-verify=false", layout.reference("1"), target)
    skopeo("logout", index.host)

    inspected = json.loads(skopeo("inspect", PLAIN_HTTP, f"docker://{index.host}/{path}:1"))
    assert inspected["Architecture"] == "amd64"
    listed = json.loads(skopeo("list-tags", PLAIN_HTTP, f"docker://{index.host}/{path}"))
    assert listed["Tags"] == ["1", "latest"]
    tags = f"/r/{path}/tags"
    wait_for(lambda: "linux/arm64" in alice_there.web.http.get(tags).text, "platforms", 15)


def test_push_to_somebody_else_is_refused_with_the_cure(
    index, skopeo, layout, alice_there, bob_there
):
    layout.image("1")
    target = f"docker://{index.host}/{bob_there.name}/app:1"
    copy = ["copy", "--dest-tls-verify=false", "--dest-creds"]
    # It asks for layers by HEAD before it pushes any: of what isn't there it learns no reason.
    with pytest.raises(Failed, match="requested access to the resource is denied"):
        skopeo(*copy, f"{alice_there.name}:{alice_there.token}", layout.reference("1"), target)
    skopeo(*copy, f"{bob_there.name}:{bob_there.token}", layout.reference("1"), target)

    layout.image("2", files={"hello": b"mine"})
    with pytest.raises(Failed, match=f"push to {alice_there.name}/app instead"):
        skopeo(*copy, f"{alice_there.name}:{alice_there.token}", layout.reference("2"), target)


def test_a_copy_from_a_private_repository_of_somebody_else_is_refused(
    index, inside, skopeo, layout, alice_there, bob_there
):
    layout.image("1")
    source = f"docker://{index.host}/{alice_there.name}/own:1"
    alice = f"{alice_there.name}:{alice_there.token}"
    bob = f"{bob_there.name}:{bob_there.token}"
    skopeo(
        *["copy", "--dest-tls-verify=false", "--dest-creds", alice, layout.reference("1"), source]
    )
    make_private(inside, f"{alice_there.name}/own")

    with pytest.raises(Failed, match=r"denied|unauthorized"):
        skopeo(
            *["copy", "--src-tls-verify=false", "--dest-tls-verify=false"],
            *["--src-creds", bob, "--dest-creds", bob],
            *[source, f"docker://{index.host}/{bob_there.name}/stolen:1"],
        )


def test_library_is_another_word_for_the_top_level(index, inside, skopeo, layout, alice_there):
    inside(
        "Repository.objects.create(name='nginx').maintainers.add("
        f"User.objects.get(username={alice_there.name!r}))",
    )
    layout.image("1")
    skopeo(
        *["copy", "--dest-tls-verify=false"],
        *["--dest-creds", f"{alice_there.name}:{alice_there.token}"],
        *[layout.reference("1"), f"docker://{index.host}/nginx:1"],
    )
    for name in ["nginx", "library/nginx"]:
        assert skopeo("inspect", PLAIN_HTTP, f"docker://{index.host}/{name}:1")
