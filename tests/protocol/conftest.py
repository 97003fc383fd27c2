"""Clients, and people on a whole index. Names are new in each test: the index is shared."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.oci import Layout
from tests.protocol.clients import Containerd, Docker, Podman, Skopeo
from tests.protocol.inside import Inside
from tests.stack import Stack
from tests.visitor import Visitor, password_of

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Person:
    name: str
    password: str
    token: str  # an access token that may push and pull
    web: Visitor


@pytest.fixture(scope="session")
def inside(index: Stack) -> Iterator[Inside]:
    inside = Inside(index)
    yield inside
    inside.close()


@pytest.fixture
def new_person(index: Stack, inside: Inside) -> Iterator[Callable[[str], Person]]:
    """Makes an account, signed in, whose name begins with what is given."""
    with ExitStack() as visitors:

        def make(name: str) -> Person:
            username = f"{name}{next(_numbers)}"
            web = visitors.enter_context(Visitor(index.url))
            # Not by the form: one address may not sign up so many.
            fields = f"username={username!r}, password={password_of(username)!r}"
            inside(f"User.objects.create_user({fields}).pk")
            web.sign_in(username)
            return Person(username, password_of(username), new_token(inside, username), web)

        yield make


def new_token(inside: Inside, username: str, scope: str = "write") -> str:
    user = f"User.objects.get(username={username!r})"
    return str(inside(f"access_tokens.create({user}, 'for {scope}', {scope!r})[1]"))


@pytest.fixture
def alice_there(new_person) -> Person:
    return new_person("alice")


@pytest.fixture
def bob_there(new_person) -> Person:
    return new_person("bob")


@pytest.fixture(scope="session")
def _docker() -> Iterator[Docker]:
    # Not pytest's own folder: should a run be killed, the engine's mount stays, and pytest would
    # stumble over it in each later run.
    with tempfile.TemporaryDirectory(
        prefix="docker-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        docker = Docker(Path(folder))
        yield docker
        docker.stop()


@pytest.fixture
def docker(_docker: Docker) -> Iterator[Docker]:
    """A Docker Engine without images and log-ins."""
    yield _docker
    _docker.empty()


@pytest.fixture
def podman() -> Iterator[Podman]:
    # podman takes no --runroot of more than 50 characters.
    with tempfile.TemporaryDirectory(prefix="podman-", dir="/tmp") as folder:
        yield Podman(Path(folder))


@pytest.fixture
def skopeo(tmp_path) -> Skopeo:
    folder = tmp_path / "skopeo"
    folder.mkdir()
    return Skopeo(folder)


@pytest.fixture
def containerd() -> Iterator[Containerd]:
    # Its socket's address may have 107 bytes: pytest's own folders can be longer.
    with tempfile.TemporaryDirectory(
        prefix="containerd-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        containerd = Containerd(Path(folder))
        yield containerd
        containerd.stop()


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout(tmp_path / "layout")
