"""``docker login`` and the ping of docker 0.9.1 (March 2014), byte for byte as it sent them.

That docker can't be run on a kernel of today. What it sends and what it makes of each answer is
from its source: registry/registry.go, ``pingRegistryEndpoint``, and registry/auth.go, ``Login``.
"""

import base64
import gzip
import itertools
import json
import socket
from dataclasses import dataclass
from http.client import HTTPResponse

import pytest

pytestmark = pytest.mark.clients

GO = "Go 1.1 package http"  # what http.Post() of its Go says
DOCKER = "docker/0.9.1 go/go1.2.1 git-commit/3600720 kernel/3.13.0-24-generic os/linux arch/amd64"

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class LoginFailed(Exception):
    """The message is what docker prints."""


class Docker091:
    """Strict where that docker was: an answer it didn't know is an error, as it was there."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.saved: dict[str, dict[str, str]] = {}  # ~/.dockercfg

    def send(self, request_line: str, *headers: str, body: bytes = b"") -> Answer:
        head = "\r\n".join([f"{request_line} HTTP/1.1", f"Host: {self.host}", *headers, "", ""])
        name, _colon, port = self.host.partition(":")
        with socket.create_connection((name, int(port)), timeout=20) as connection:
            connection.sendall(head.encode() + body)
            response = HTTPResponse(connection)
            response.begin()
            found = {key.lower(): value for key, value in response.getheaders()}
            content = response.read()
        if found.get("content-encoding") == "gzip":  # as Go's Transport does by itself
            content = gzip.decompress(content)
        return Answer(response.status, found, content)

    def ping(self) -> str:
        """The index's address. Refuses what doesn't say that it is a registry."""
        answer = self.send("GET /v1/_ping", f"User-Agent: {GO}", "Accept-Encoding: gzip")
        if not answer.headers.get("x-docker-registry-version"):
            raise LoginFailed("This does not look like a Registry server")
        return f"http://{self.host}/v1/"

    def login(self, username: str, password: str, email: str = "") -> str:
        """What it prints when all is well. Raises LoginFailed with what it prints when not."""
        self.ping()
        # Go writes the fields in the order of its struct, and leaves empty ones out of these two.
        fields = {"username": username, "password": password}
        config = {key: value for key, value in fields.items() if value}
        body = json.dumps(config | {"auth": "", "email": email}, separators=(",", ":")).encode()
        answer = self.send(
            "POST /v1/users/",
            f"User-Agent: {GO}",
            f"Content-Length: {len(body)}",
            "Content-Type: application/json; charset=utf-8",
            "Accept-Encoding: gzip",
            body=body,
        )
        text = answer.body.decode()
        if answer.status == 201:
            said = "Account created. Please see the documentation of the registry"
        elif answer.status == 400 and text != '"Username or email already exists"':
            raise LoginFailed(f"Registration: {text}")
        elif answer.status in {400, 401}:
            said = self._check(username, password, may_be_inactive=answer.status == 400)
        else:
            raise LoginFailed(f"Unexpected status code [{answer.status}] : {text}")
        auth = base64.b64encode(f"{username}:{password}".encode()).decode()
        self.saved[self.host] = {"auth": auth, "email": email}
        return said

    def _check(self, username: str, password: str, *, may_be_inactive: bool) -> str:
        answer = self.get_users("/v1/users/", username, password)
        if answer.status == 200:
            return "Login Succeeded"
        if answer.status == 401:
            self.saved.pop(self.host, None)
            raise LoginFailed("Wrong login/password, please try again")
        if answer.status == 403 and may_be_inactive:
            raise LoginFailed("Login: Account is not Active.")
        raise LoginFailed(f"Login: {answer.body.decode()} (Code: {answer.status})")

    def get_users(self, path: str, username: str, password: str) -> Answer:
        auth = base64.b64encode(f"{username}:{password}".encode()).decode()
        headers = [f"User-Agent: {DOCKER}", f"Authorization: Basic {auth}"]
        return self.send(f"GET {path}", *headers, "Accept-Encoding: gzip")


@pytest.fixture
def old_docker(index) -> Docker091:
    return Docker091(index.host)


@pytest.fixture
def dora() -> str:
    return f"dora{next(_numbers)}"


def test_the_ping_has_what_it_wants_to_see(old_docker, index):
    assert old_docker.ping() == f"http://{index.host}/v1/"
    answer = old_docker.send("GET /v1/_ping", f"User-Agent: {GO}", "Accept-Encoding: gzip")
    assert answer.headers["x-docker-registry-version"] == "0.9.1"
    # Else it would show Basic to everything, and no token.
    assert answer.headers["x-docker-registry-standalone"] == "false"


def test_is_told_what_is_wrong_with_a_new_account(old_docker, inside, dora):
    with pytest.raises(LoginFailed, match="too short"):
        old_docker.login(dora, "short", "")
    with pytest.raises(LoginFailed, match="'a-b' is free"):
        old_docker.login("a--b", "correct horse", "")
    assert old_docker.saved == {}
    assert inside(f"User.objects.filter(username__in=[{dora!r}, 'a--b']).count()") == 0


def test_signs_up_and_then_logs_in(old_docker, index, inside, dora):
    email = f"{dora}@example.com"
    assert old_docker.login(dora, "correct horse", email).startswith("Account created.")
    assert inside(f"User.objects.get(username={dora!r}).email") == email
    event = f"AuditEvent.objects.get(action='user.signed_up', actor_name={dora!r})"
    assert inside(f"{event}.address, {event}.client") == ("127.0.0.1", GO)

    assert old_docker.login(dora, "correct horse", email) == "Login Succeeded"
    # Whatever it sends as address: he has an account.
    assert old_docker.login(dora, "correct horse") == "Login Succeeded"
    with pytest.raises(LoginFailed, match="Wrong login/password"):
        old_docker.login(dora, "wrong horse", email)
    assert old_docker.saved == {}
    # Another name with his address is no second account.
    with pytest.raises(LoginFailed, match="Wrong login/password"):
        old_docker.login(f"{dora}x", "correct horse", email)


def test_logs_in_by_access_token(old_docker, alice_there):
    assert old_docker.login(alice_there.name, alice_there.token) == "Login Succeeded"


def test_an_account_that_is_off_is_told_so(old_docker, inside, alice_there):
    inside(f"User.objects.filter(username={alice_there.name!r}).update(is_active=False)")
    with pytest.raises(LoginFailed, match="Account is not Active"):
        old_docker.login(alice_there.name, alice_there.password)


def test_answers_with_and_without_slash_and_never_redirects(old_docker, alice_there):
    name, password = alice_there.name, alice_there.password
    for path in ["/v1/users/", "/v1/users"]:
        answer = old_docker.get_users(path, name, password)
        assert (answer.status, answer.body) == (200, b'"OK"')
        assert "set-cookie" not in answer.headers

        body = json.dumps({"username": name, "password": password, "auth": "", "email": ""})
        length = f"Content-Length: {len(body)}"
        answer = old_docker.send(f"POST {path}", length, body=body.encode())
        assert (answer.status, answer.body) == (400, b'"Username or email already exists"')

    body = json.dumps({"password": "another horse"})
    for path, current in [(f"/v1/users/{name}/", password), (f"/v1/users/{name}", "another horse")]:
        auth = base64.b64encode(f"{name}:{current}".encode()).decode()
        headers = [f"Authorization: Basic {auth}", f"Content-Length: {len(body)}"]
        answer = old_docker.send(f"PUT {path}", *headers, body=body.encode())
        assert (answer.status, answer.body) == (204, b"")
    assert old_docker.login(name, "another horse") == "Login Succeeded"
