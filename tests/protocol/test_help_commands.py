"""Every command that /help/ tells people to paste, run by a shell as it stands there.

The programs are the real ones. Scripts of the same name on the PATH only tell them which folders
are theirs, and give a password to those that ask for it on a terminal.
"""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from portal.help import TOPICS, Block, Reader, blocks_of
from tests.protocol.clients import Docker, run, wait_for
from tests.stack import free_port
from tests.tools import PATH

pytestmark = pytest.mark.clients

READER = Reader("https://hub.example.com", "alice")
WITH_COMMANDS = [
    topic for topic in TOPICS if any(block.kind == "sh" for block in blocks_of(topic, "en", READER))
]
ASKING = """
if [ "$1" = login ]; then
  case "$*" in *--password-stdin*) ;; *) set -- "$@" --password-stdin ;; esac
fi
"""
UNPACKING = """
if [ "$1 $2" = "images pull" ]; then shift 2; set -- images pull --snapshotter=native "$@"; fi
"""
# There is no cluster: kubectl says what it would send there.
DRY = """
set -- "$@" --dry-run=client -o json
"""


class Shell:
    """Where a reader pastes: his home, and his programs."""

    def __init__(self, folder: Path, token: str) -> None:
        self.home = folder / "home"
        self.bin = folder / "bin"
        self.home.mkdir()
        self.bin.mkdir()
        self.token = token

    def has(self, name: str, command: str, before: str = "") -> None:
        script = self.bin / name
        script.write_text(f'#!/bin/sh\n{before}exec {command} "$@"\n')
        script.chmod(0o755)

    def __call__(self, command: str) -> str:
        env = {"PATH": f"{self.bin}:{PATH}", "HOME": str(self.home), "TOKEN": self.token}
        pasted = f"cd\n{command}"
        return run("bash", "-e", "-o", "pipefail", "-c", pasted, stdin=f"{self.token}\n", env=env)


@pytest.fixture
def shell(tmp_path, alice_there) -> Shell:
    return Shell(tmp_path, alice_there.token)


@pytest.fixture
def blocks(index, alice_there) -> Callable[[str], list[Block]]:
    """What alice reads on the page of a topic."""
    return lambda topic: blocks_of(topic, "en", Reader(index.url, alice_there.name))


@pytest.fixture
def paste(shell, blocks) -> Callable[..., str]:
    """Paste all commands of a topic, some changed as a reader changes them; what they print."""

    def all_of(topic: str, changes: dict[str, str] | None = None) -> str:
        printed = ""
        for block in blocks(topic):
            if block.kind == "sh":
                command = block.text
                for old, new in (changes or {}).items():
                    command = command.replace(old, new)
                printed += shell(command)
        return printed

    return all_of


@pytest.fixture
def app(index, docker: Docker, shell, alice_there) -> str:
    """alice/app, pushed, and everything gone from docker again. It says hello."""
    name = f"{index.host}/{alice_there.name}/app"
    docker_of(shell, docker)
    build_hello(shell, docker, name)
    docker.login(index.host, alice_there.name, alice_there.token)
    docker("push", name)
    docker.empty()
    return name


@pytest.fixture
def base(index, inside, skopeo, layout, alice_there) -> str:
    """A top-level repository, pushed."""
    name = f"base-of-{alice_there.name}"
    inside(
        f"Repository.objects.create(name={name!r}).maintainers.add("
        f"User.objects.get(username={alice_there.name!r}))"
    )
    layout.image("latest")
    skopeo(
        *["copy", "--dest-tls-verify=false"],
        *["--dest-creds", f"{alice_there.name}:{alice_there.token}"],
        *[layout.reference("latest"), f"docker://{index.host}/{name}:latest"],
    )
    return name


@pytest.fixture
def kubectl() -> None:
    """That there is one. So for the two below."""


@pytest.fixture
def busybox() -> None: ...


@pytest.fixture
def curl() -> None: ...


@pytest.fixture
def other_registry(tmp_path) -> Iterator[str]:
    """The host name of a registry that has nothing to do with the index."""
    host = f"localhost:{free_port()}"
    storage = {"filesystem": {"rootdirectory": str(tmp_path / "other")}}
    configuration = {"version": 0.1, "storage": storage, "http": {"addr": host}}
    file = tmp_path / "other.yml"
    file.write_text(json.dumps(configuration))  # JSON is YAML, too
    with (tmp_path / "other.log").open("wb") as log:
        command = ["docker-registry", "serve", str(file)]
        program = subprocess.Popen(command, env={"PATH": PATH}, stdout=log, stderr=log)
    wait_for(lambda: is_there(f"http://{host}/v2/"), "the other registry")
    yield host
    program.terminate()
    program.wait(10)


def is_there(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def docker_of(shell: Shell, docker: Docker) -> None:
    (shell.home / ".docker").symlink_to(docker.config)
    shell.has("docker", f"/usr/bin/docker --config {docker.config} -H {docker.address}", ASKING)


def podman_of(shell: Shell, folder: Path) -> None:
    # podman takes no --runroot of more than 50 characters: the fixture's folder is short.
    storage = f"--root {folder}/root --runroot {folder}/run --storage-driver=vfs"
    auth = f"export XDG_RUNTIME_DIR={folder}\n"
    shell.has("podman", f"/usr/bin/podman {storage} --cgroup-manager=cgroupfs", auth + ASKING)
    shell.has("skopeo", "/usr/bin/skopeo --insecure-policy", auth)


def build_hello(shell: Shell, docker: Docker, name: str) -> None:
    """An image that says hello. Its folder is the reader's home, where he builds his own."""
    busybox = Path(run("sh", "-c", "readlink -f $(command -v busybox)").strip())
    (shell.home / "busybox").write_bytes(busybox.read_bytes())
    (shell.home / "busybox").chmod(0o755)
    dockerfile = 'FROM scratch\nCOPY busybox /busybox\nCMD ["/busybox", "echo", "hello, reader"]\n'
    (shell.home / "Dockerfile").write_text(dockerfile)
    docker("build", "-q", "-t", name, str(shell.home))


def test_no_topic_is_forgotten():
    """Each with a command has its test below."""
    assert {f"test_{topic.replace('-', '_')}" for topic in WITH_COMMANDS} <= set(globals())


def test_find(shell, docker, podman, paste, app, alice_there, busybox):
    podman_of(shell, podman.folder)
    printed = paste("find")
    assert f"{alice_there.name}/app" in printed
    assert "Downloaded newer image" in printed
    assert "hello, reader" in printed
    assert '"latest"' in printed  # skopeo list-tags


def test_push(shell, docker, podman, paste, alice_there, index, skopeo, busybox):
    docker_of(shell, docker)
    podman_of(shell, podman.folder)
    build_hello(shell, docker, "my-image")
    docker("create", "--name", "my-container", "my-image")
    try:
        paste("push")
    finally:
        docker("rm", "my-container")
    listed = skopeo(
        "list-tags", "--tls-verify=false", f"docker://{index.host}/{alice_there.name}/app"
    )
    assert json.loads(listed)["Tags"] == ["1.0", "2.0", "changed", "latest", "stable"]


def test_log_in(shell, docker, podman, containerd, paste, app, index, busybox, kubectl):
    podman_of(shell, podman.folder)
    shell.has("ctr", f"/usr/bin/ctr --address {containerd.address}", UNPACKING)
    shell.has("kubectl", "/usr/bin/kubectl", DRY)
    printed = paste("log-in")
    assert printed.count("Login Succeeded") == 2
    assert index.host in (podman.folder / "containers" / "auth.json").read_text()
    assert docker.credentials() == {}  # the page ends with a logout
    assert f"{app}:latest" in containerd("images", "list", "-q")
    assert ".dockerconfigjson" in printed


def test_tokens(shell, docker, paste, alice_there, curl):
    docker_of(shell, docker)
    printed = paste("tokens")
    assert "Login Succeeded" in printed
    assert f'"{alice_there.name}"' in printed


def test_registries(shell, docker, podman, paste, app, other_registry, skopeo, busybox):
    podman_of(shell, podman.folder)
    paste("registries", {"registry.example.org": other_registry})
    listed = skopeo("list-tags", "--tls-verify=false", f"docker://{other_registry}/app")
    assert sorted(json.loads(listed)["Tags"]) == ["copy", "latest"]


def test_short_names(shell, podman, containerd, blocks, base, tmp_path_factory, docker):
    """Each file at its place below the reader's home, then the command that uses it."""
    podman_of(shell, podman.folder)
    shell.has("ctr", f"/usr/bin/ctr --address {containerd.address}", UNPACKING)
    files = {block.path: block.text for block in blocks("short-names") if block.path}
    places = {
        "/etc/containers": f"{shell.home}/.config/containers",
        "/etc/containerd/certs.d": f"{shell.home}/certs.d",
        "/etc/docker": f"{shell.home}/docker",
    }
    for path, text in files.items():
        for old, new in places.items():
            path = path.replace(old, new)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    mirrored = Docker(
        tmp_path_factory.mktemp("mirrored"), config_file=shell.home / "docker" / "daemon.json"
    )
    shell.has("docker", f"/usr/bin/docker --config {mirrored.config} -H {mirrored.address}")
    try:
        printed = ""
        for block in blocks("short-names"):
            if block.kind == "sh":
                command = block.text.replace("base", base)
                for old, new in places.items():
                    command = command.replace(old, new)
                printed += shell(command)
        assert "Status: Downloaded newer image" in printed
        assert base in mirrored("images", "--format", "{{.Repository}}")
        assert base in podman("images", "--format", "{{.Repository}}")
        assert f"docker.io/library/{base}:latest" in containerd("images", "list", "-q")
    finally:
        mirrored.stop()


def test_credentials(shell, docker, paste, alice_there, index, other_registry, kubectl):
    docker_of(shell, docker)
    shell.has("kubectl", "/usr/bin/kubectl", DRY)
    printed = paste("credentials", {"registry.example.org": other_registry})
    auth = base64.b64encode(f"{alice_there.name}:{alice_there.token}".encode()).decode()
    assert docker.credentials()[index.host]["identitytoken"]
    assert set(docker.credentials()) == {index.host, other_registry}
    assert auth in printed
    assert '"type": "kubernetes.io/dockerconfigjson"' in printed
