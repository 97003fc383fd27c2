"""Somebody who is let in to a private repository, and put out again, with real clients."""

import httpx
import jwt
import pytest

from tests.protocol.clients import PLAIN_HTTP, Failed
from tests.protocol.conftest import Person
from tests.protocol.test_refusals import BODY, MANIFEST, token_for

pytestmark = pytest.mark.clients


@pytest.fixture
def secret(index, docker, alice_there) -> str:
    """A private repository of alice's with the tag 1; its path."""
    alice_there.web.post("/repositories/new", name="secret", is_private="True")
    path = f"{alice_there.name}/secret"
    docker.build(f"{index.host}/{path}:1")
    docker.login(index.host, alice_there.name, alice_there.token)
    docker("push", f"{index.host}/{path}:1")
    docker.empty()
    return path


def let_in(owner: Person, guest: Person, path: str, level: str) -> None:
    page = f"/r/{path}/settings/who-may"
    owner.web.post(page, form="invite", user=guest.name, level=level)
    guest.web.post(f"/r/{path}/invitation", answer="accept")


def test_docker_pulls_once_invited_pushes_once_allowed_and_neither_once_removed(
    index, docker, alice_there, bob_there, secret
):
    page, image = f"/r/{secret}/settings/who-may", f"{index.host}/{secret}"
    docker.login(index.host, bob_there.name, bob_there.token)
    alice_there.web.post(page, form="invite", user=bob_there.name, level="pull")
    with pytest.raises(Failed, match="pull access denied"):
        docker("pull", f"{image}:1")
    assert f"/r/{secret}/invitation" in bob_there.web.see("/")
    bob_there.web.post(f"/r/{secret}/invitation", answer="accept")

    docker("pull", f"{image}:1")
    docker("tag", f"{image}:1", f"{image}:2")
    with pytest.raises(Failed) as refusal:
        docker("push", f"{image}:2")
    assert f"you may only pull as a collaborator of {secret}" in str(refusal.value)
    assert f"{index.url}/why/level?path={secret}" in str(refusal.value)

    alice_there.web.post(page, form="level", user=bob_there.name, level="push")
    docker("push", f"{image}:2")

    alice_there.web.post(page, form="remove", user=bob_there.name)
    with pytest.raises(Failed, match=f"{index.url}/why/namespace"):
        docker("push", f"{image}:2")
    docker("rmi", f"{image}:1", f"{image}:2")
    with pytest.raises(Failed, match="pull access denied"):
        docker("pull", f"{image}:1")


def test_a_token_that_is_still_out_pulls_and_writes_nothing(index, alice_there, bob_there, secret):
    let_in(alice_there, bob_there, secret, "push")
    bearer = token_for(index, bob_there, f"repository:{secret}:pull,push")
    alice_there.web.post(f"/r/{secret}/settings/who-may", form="remove", user=bob_there.name)

    with httpx.Client(
        base_url=index.url, headers={"Authorization": f"Bearer {bearer}"}, timeout=20
    ) as client:
        upload = client.post(f"/v2/{secret}/blobs/uploads/")
        manifest = client.put(
            f"/v2/{secret}/manifests/1", content=BODY, headers={"Content-Type": MANIFEST}
        )
        assert (upload.status_code, manifest.status_code) == (403, 403)
        assert "/why/namespace" in upload.text and "/why/namespace" in manifest.text
        # Known, and short: the registry asks nobody, and the token ends within five minutes.
        assert client.get(f"/v2/{secret}/manifests/1").status_code == 200
    claims = jwt.decode(
        token_for(index, bob_there, f"repository:{secret}:pull"),
        options={"verify_signature": False},
    )
    assert claims["access"] == []


def test_skopeo_sees_the_lists_of_what_it_is_let_in_to(
    index, skopeo, alice_there, bob_there, secret
):
    reference = f"docker://{index.host}/{secret}"
    credentials = [PLAIN_HTTP, "--creds", f"{bob_there.name}:{bob_there.token}"]
    with pytest.raises(Failed) as refusal:
        skopeo("list-tags", *credentials, reference)
    assert f"{index.url}/why/not-found?path={secret}" in str(refusal.value)
    let_in(alice_there, bob_there, secret, "pull")
    assert '"1"' in skopeo("list-tags", *credentials, reference)
    assert secret in bob_there.web.see(f"/search?q={alice_there.name}")
