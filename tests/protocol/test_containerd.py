"""Debian's containerd by ctr: asks /token by POST, HEADs the tag, then GETs by digest."""

import pytest

from tests.protocol.clients import Failed, wait_for
from tests.protocol.test_docker import make_private, pulls

pytestmark = pytest.mark.clients


@pytest.fixture
def image(index, inside, skopeo, layout, alice_there) -> str:
    layout.image("1")
    name = f"{index.host}/{alice_there.name}/contained:1"
    skopeo(
        *["copy", "--dest-tls-verify=false"],
        *["--dest-creds", f"{alice_there.name}:{alice_there.token}"],
        *[layout.reference("1"), f"docker://{name}"],
    )
    path = f"{alice_there.name}/contained"
    tags = f"Tag.objects.filter(repository=Repository.objects.at({path!r}).first()).count()"
    wait_for(lambda: inside(tags) == 1, "the tag")
    return name


def test_a_pull_counts_once(inside, containerd, alice_there, image):
    containerd("images", "pull", "--plain-http", "--snapshotter=native", image)
    assert pulls(inside, f"{alice_there.name}/contained") == 1


def test_private_with_and_without_a_token(inside, containerd, alice_there, image):
    make_private(inside, f"{alice_there.name}/contained")
    pull = ["images", "pull", "--plain-http", "--snapshotter=native"]
    with pytest.raises(Failed, match="authorization"):
        containerd(*pull, image)
    containerd(*pull, "--user", f"{alice_there.name}:{alice_there.token}", image)
