"""Docker Engine 20.10 and its command line, unmodified."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.protocol.clients import Failed, wait_for
from tests.protocol.conftest import new_token

pytestmark = pytest.mark.clients


def test_a_wrong_password_is_refused_with_a_sentence_and_nothing_is_kept(
    index, docker, alice_there
):
    with pytest.raises(Failed, match=r"unauthorized: .*(password|token)"):
        docker.login(index.host, alice_there.name, "wrong")
    assert index.host not in docker.credentials()


def test_a_token_of_somebody_else_is_refused(index, docker, alice_there, bob_there):
    with pytest.raises(Failed, match="unauthorized: "):
        docker.login(index.host, alice_there.name, bob_there.token)


def test_log_in_with_password_or_token(index, docker, alice_there):
    for secret in [alice_there.password, alice_there.token]:
        assert "Login Succeeded" in docker.login(index.host, alice_there.name, secret)
        assert index.host in docker.credentials()
        docker("logout", index.host)


def test_push_to_the_namespace_of_somebody_else_is_refused_with_the_cure(
    index, docker, alice_there, bob_there
):
    image = f"{index.host}/{bob_there.name}/app:1"
    docker.build(image)
    docker.login(index.host, alice_there.name, alice_there.token)
    with pytest.raises(Failed) as refusal:
        docker("push", image)
    assert f"push to {alice_there.name}/app instead" in str(refusal.value)


def test_push_to_the_top_level_is_refused_with_the_cure(index, docker, alice_there):
    docker.build(f"{index.host}/centos:1")
    docker.login(index.host, alice_there.name, alice_there.token)
    with pytest.raises(Failed, match=f"push to {alice_there.name}/centos instead"):
        docker("push", f"{index.host}/centos:1")


def test_a_token_that_may_only_read_can_not_push(index, inside, docker, alice_there):
    image = f"{index.host}/{alice_there.name}/app:1"
    docker.build(image)
    docker.login(index.host, alice_there.name, new_token(inside, alice_there.name, "read"))
    with pytest.raises(Failed, match="may only read"):
        docker("push", image)


def test_push_without_log_in_is_refused(index, docker, alice_there):
    image = f"{index.host}/{alice_there.name}/app:1"
    docker.build(image)
    with pytest.raises(Failed, match=r"denied|log in|authentication required"):
        docker("push", image)


def test_what_is_pushed_is_on_the_page_and_anybody_pulls_it(index, docker, alice_there):
    image = f"{index.host}/{alice_there.name}/app:1.0"
    docker.build(image)
    docker.login(index.host, alice_there.name, alice_there.token)
    docker("push", image)

    page = f"/r/{alice_there.name}/app"
    tags = f"{page}/tags"
    wait_for(lambda: "linux/amd64" in alice_there.web.http.get(tags).text, "the platform", 15)
    assert "1.0" in alice_there.web.see(page)

    docker.empty()
    assert "Downloaded newer image" in docker("pull", image)
    assert docker("inspect", "-f", "{{.Config.User}}", image).strip() == "1000"


def test_a_private_repository_is_pulled_by_its_owner_alone(index, docker, alice_there, bob_there):
    path = f"{alice_there.name}/secret"
    image = f"{index.host}/{path}:1"
    alice_there.web.post(
        "/repositories/new", name="secret", is_private="True", description="not for bob"
    )
    docker.build(image)
    docker.login(index.host, alice_there.name, alice_there.token)
    docker("push", image)
    assert bob_there.web.http.get(f"/r/{path}").status_code == 404

    docker.empty()
    with pytest.raises(Failed, match="pull access denied"):
        docker("pull", image)
    docker.login(index.host, bob_there.name, bob_there.token)
    with pytest.raises(Failed, match="pull access denied"):
        docker("pull", image)
    docker.login(index.host, alice_there.name, alice_there.token)
    docker("pull", image)


def test_a_revoked_token_opens_nothing_any_more(index, inside, docker, alice_there):
    image = f"{index.host}/{alice_there.name}/app:1"
    docker.build(image)
    docker.login(index.host, alice_there.name, alice_there.token)
    inside(f"access_tokens.revoke(access_tokens.find({alice_there.token!r}))")
    with pytest.raises(Failed, match="unauthorized"):
        docker("push", image)


def test_search_finds_what_was_pushed_and_no_private_name(index, inside, docker, alice_there):
    docker.login(index.host, alice_there.name, alice_there.token)
    for name in ["findable", "hidden"]:
        docker.build(f"{index.host}/{alice_there.name}/{name}:1")
        docker("push", f"{index.host}/{alice_there.name}/{name}:1")
    make_private(inside, f"{alice_there.name}/hidden")

    docker("logout", index.host)
    found = docker("search", f"{index.host}/{alice_there.name}")
    assert f"{alice_there.name}/findable" in found
    assert "hidden" not in found


def test_one_pull_counts_once(index, inside, docker, alice_there):
    image = f"{index.host}/{alice_there.name}/counted:1"
    docker.build(image)
    docker.login(index.host, alice_there.name, alice_there.token)
    docker("push", image)
    docker.empty()
    docker("pull", image)
    assert pulls(inside, f"{alice_there.name}/counted") == 1


def test_twenty_first_pushes_at_once_make_one_repository(
    index, inside, skopeo, layout, alice_there
):
    path = f"{alice_there.name}/contested"
    # Different ones: Distribution answers 500 now and then while the same layer is written twice.
    for number in range(20):
        layout.image(str(number), files={"hello": str(number).encode()})

    def push(number: int) -> str:
        return skopeo(
            *["copy", "--dest-tls-verify=false"],
            *["--dest-creds", f"{alice_there.name}:{alice_there.token}"],
            *[layout.reference(str(number)), f"docker://{index.host}/{path}:{number}"],
        )

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(push, range(20)))

    def made() -> bool:
        repositories = "Repository.objects.filter(name='contested')"
        tags = "Tag.objects.filter(repository__name='contested')"
        return inside(f"{repositories}.count(), {tags}.count()") == (1, 20)

    wait_for(made, "twenty tags of one repository")


def pulls(inside, path: str) -> object:
    """How many pulls ``path`` has once all that the registry told of is decided."""
    events = f"RegistryEvent.objects.filter(path={path!r}, action='pull')"
    wait_for(
        lambda: inside(f"{events}.exists() and not {events}.filter(counts=None).exists()"),
        "the pulls to be counted",
        90,
    )
    return inside(f"Repository.objects.at({path!r}).get().pull_count")


def make_private(inside, path: str) -> None:
    update = f"Repository.objects.at({path!r}).update(is_private=True)"
    wait_for(lambda: inside(update) == 1, "the first push to be seen")
