"""What the front door lets through to whom, on a whole index."""

import re
import socket
import time
import uuid
from contextlib import ExitStack

import httpx
import pytest

pytestmark = pytest.mark.clients

DIGEST = "sha256:" + "a" * 64
SLOW_CLIENTS = 40


@pytest.fixture
def http(index):
    with httpx.Client(base_url=index.url, timeout=20) as client:
        yield client


def send(index, head: str, body: bytes = b"") -> socket.socket:
    """A connection on which ``head`` and ``body`` were sent as they are, and nothing was read."""
    connection = socket.create_connection(("127.0.0.1", index.port), timeout=20)
    connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
    return connection


def status_of(index, head: str, body: bytes = b"") -> int:
    with send(index, head, body) as connection:
        return int(connection.recv(4096).split()[1])


@pytest.mark.parametrize(
    "address",
    [
        *["/gate", "//gate", "/./gate", "/x/../gate", "/gate/", "/GATE", "/%67ate", "/gate%2f"],
        *["/gate?x=/v2/", "/hooks/registry", "/hooks//registry", "/hooks/registry/"],
        *["/hooks%2Fregistry", "/HOOKS/registry", "/hooks/./registry", "http://x/gate"],
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_gate_and_hook_are_not_there_for_anybody_outside(index, method, address):
    secret = (index.var_dir / "secrets" / "registry_hook_secret").read_text()
    head = f"{method} {address} HTTP/1.1\nHost: {index.host}\nContent-Length: 0"
    head += "\nX-Forwarded-Method: PUT\nX-Forwarded-Uri: /v2/alice/app/manifests/x"
    head += f"\nAuthorization: Bearer {secret}"
    assert status_of(index, head) == 404


def test_the_registrys_own_door_takes_nothing_but_notifications(index):
    port = int((index.var_dir / "registry_hook_port").read_text())
    secret = (index.var_dir / "secrets" / "registry_hook_secret").read_text()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
        assert http.get("/").status_code == 404
        assert http.get("/gate").status_code == 404
        assert http.get("/hooks/registry").status_code == 404
        assert http.post("/hooks/registry", json={"events": []}).status_code == 401
        authorization = {"Authorization": f"Bearer {secret}"}
        told = http.post("/hooks/registry", json={"events": []}, headers=authorization)
        assert told.status_code == 204
        # A notification that can't be taken would come again for ever: a large one is taken.
        large = {"events": [{"id": "x" * 5_000_000}]}
        told = http.post("/hooks/registry", json=large, headers=authorization, timeout=20)
        assert told.status_code == 204


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (f"/v2/alice/app/blobs/{DIGEST}", "alice/app"),
        ("/v2/alice/app/manifests/1.0", "alice/app"),
        ("/v2/alice%2Fapp/manifests/1.0", "alice/app"),
        ("/v2/alice/app/manifests/" + DIGEST.replace(":", "%3A"), "alice/app"),
        ("/v2//alice/./app/manifests/1.0", "alice/app"),
        ("/v2/debian/manifests/1.0", "debian"),
        ("/v2/library/debian/manifests/1.0", "debian"),
        ("/v2/library%2Fdebian/manifests/1.0", "debian"),
        ("/v2/alice/manifests/manifests/1.0", "alice/manifests"),
        ("/v2/alice/app/blobs/uploads/0c8b1d74-a3ed-4b0a-9aae-ac4a0f2e9b6e", "alice/app"),
    ],
)
def test_the_registry_sees_one_address_for_one_thing(index, address, name):
    """The registry's challenge says which repository it has understood."""
    with send(index, f"GET {address} HTTP/1.1\nHost: {index.host}") as connection:
        answer = connection.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 401")
    assert f'scope="repository:{name}:pull"' in answer


@pytest.mark.parametrize(
    "address",
    [
        "/v2/Alice/app/manifests/1.0",
        "/v2/alice/App/manifests/1.0",
        "/v2/alice/app/deep/manifests/1.0",
        "/v2/library/alice/app/manifests/1.0",
        "/v2/alice/app;x/manifests/1.0",
        "/v2/alice/app%00/manifests/1.0",
        "/v2/alice/app%0a/manifests/1.0",
        "/v2/alice/app%3Fx/manifests/1.0",
        "/v2/alice/..%2f..%2fetc/manifests/passwd/x",
        "/v2/alice/app/manifests/%2e%2e%2f%2e%2e",
        "/v2/alice'--/app/manifests/1.0",
        "/v2/alice/app/manifests/" + "a" * 129,
        "/v2/host:5000/app/manifests/1.0",
        "/v2/alice/app/blobs/sha256:short",
        "/V2/alice/app/manifests/1.0",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_what_is_no_repository_of_ours_reaches_no_registry(index, method, address):
    with send(index, f"{method} {address} HTTP/1.1\nHost: {index.host}") as connection:
        answer = connection.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 404"), answer
    assert "Www-Authenticate" not in answer


def test_lists_come_from_the_portal(http):
    for address in ["/v2/_catalog", "/v2/alice/app/tags/list", f"/v2/alice/app/referrers/{DIGEST}"]:
        answer = http.get(address)
        assert answer.status_code == 401
        assert "Content-Language" in answer.headers  # Django's
    scope = http.get("/v2/library/debian/tags/list").headers["WWW-Authenticate"]
    assert 'scope="repository:debian:pull"' in scope


def test_refusals_of_the_gate_reach_the_client(index, http):
    token = http.get("/token", params={"scope": "repository:alice/app:pull,push"}).json()["token"]
    authorization = {"Authorization": f"Bearer {token}"}
    upload = http.post("/v2/alice/app/blobs/uploads/", headers=authorization)
    manifest = http.put("/v2/alice/app/manifests/1.0", headers=authorization, content=b"{}")
    for answer in [upload, manifest]:
        assert answer.status_code in {401, 403}
        assert answer.json()["errors"][0]["message"]


def test_nobody_forges_his_address(index, http):
    name = f"forger-{uuid.uuid4().hex[:8]}"
    forged = {
        "X-Real-IP": "203.0.113.7",
        "X_Real_IP": "203.0.113.7",
        "X-Forwarded-For": "203.0.113.7",
        "X_Forwarded_For": "203.0.113.7",
        "Forwarded": "for=203.0.113.7",
        "Client-IP": "203.0.113.7",
    }
    assert http.get("/token", auth=(name, "wrong"), headers=forged).status_code == 401
    code = "from accounts.models import LoginFailure as F; "
    code += f"print(sorted(set(F.objects.filter(username='{name}').values_list('address'))))"
    assert "203.0.113.7" not in index.manage("shell", "-c", code)
    assert "127.0.0.1" in index.manage("shell", "-c", code)


def test_a_forged_scheme_or_host_changes_no_address(index, http):
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "Forwarded": "x"}
    challenge = http.get("/v2/", headers=forged).headers["WWW-Authenticate"]
    assert f'realm="{index.url}/token"' in challenge
    assert "evil.example" not in http.get("/", headers=forged).text
    assert http.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_each_answer_has_a_request_id(http):
    ids = {http.get(address).headers["X-Request-Id"] for address in ["/", "/v2/", "/healthz"]}
    assert len(ids) == 3
    assert all(re.fullmatch(r"[0-9a-f-]{36}", request_id) for request_id in ids)


def test_large_requests_are_refused(index, http):
    for address, form in [("/token", "json"), ("/api/v1/tokens", "json"), ("/account/login/", "")]:
        answer = http.post(address, content=b"x" * 2_000_000)
        assert answer.status_code == 413
        assert bool(form) == ("json" in answer.headers["Content-Type"])
    # Without a length, too, no worker waits for the rest.
    head = f"POST /token HTTP/1.1\nHost: {index.host}\nTransfer-Encoding: chunked"
    body = b"200000\r\n" + b"x" * 0x200000
    assert status_of(index, head, body) >= 400


def test_layers_are_neither_buffered_nor_limited(index, http):
    """A layer's upload reaches the registry at once: it refuses before the end has come.

    Go's server reads 256 KB of what it doesn't want before it answers.
    """
    head = f"PATCH /v2/alice/app/blobs/uploads/{uuid.uuid4()} HTTP/1.1\nHost: {index.host}"
    head += "\nContent-Length: 5000000000"
    assert status_of(index, head, b"x" * 1_000_000) == 401


@pytest.mark.parametrize(
    "head",
    [
        "POST /account/login/ HTTP/1.1\nHost: {host}\nContent-Length: 500",
        "POST /token HTTP/1.1\nHost: {host}\nContent-Length: 900000",
        "POST /api/v1/tokens HTTP/1.1\nHost: {host}\nTransfer-Encoding: chunked",
        "PUT /v2/alice/app/manifests/1.0 HTTP/1.1\nHost: {host}\nContent-Length: 500",
        "GET /search?q=",
    ],
)
def test_half_sent_requests_hold_nobody_up(index, http, head):
    with ExitStack() as connections:
        for _ in range(SLOW_CLIENTS):
            half = head.format(host=index.host)
            if half.startswith("GET"):
                connection = socket.create_connection(("127.0.0.1", index.port))
                connection.sendall(half.encode())
            else:
                connection = send(index, half, b"x=1" if "chunked" not in half else b"5\r\nx=1")
            connections.enter_context(connection)
        assert_answers_at_once(http)


@pytest.mark.parametrize("kind", ["page", "stylesheet"])
def test_unread_answers_hold_nobody_up(index, http, kind):
    stylesheet = re.search(r"/static/bootstrap/css/[^\"]+", http.get("/").text)[0]
    address = stylesheet if kind == "stylesheet" else "/"
    with ExitStack() as connections:
        for _ in range(SLOW_CLIENTS):
            connection = socket.socket()
            # As little room as the kernel gives, so that most of the answer waits elsewhere.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            connection.connect(("127.0.0.1", index.port))
            request = f"GET {address} HTTP/1.1\r\nHost: {index.host}\r\n\r\n".encode()
            connection.sendall(request * 20)
            connections.enter_context(connection)
        assert_answers_at_once(http)


def assert_answers_at_once(http: httpx.Client) -> None:
    """Within a second, on a machine that may be busy with other tests."""
    deadline = time.monotonic() + 5
    fastest = min(_seconds(http) for _ in range(3))
    assert fastest < 1
    assert time.monotonic() < deadline


def _seconds(http: httpx.Client) -> float:
    started_at = time.monotonic()
    assert http.get("/healthz").text == "ok\n"
    return time.monotonic() - started_at


def test_pages_are_compressed_and_health_is_not_kept(http):
    page = http.get("/", headers={"Accept-Encoding": "gzip"})
    assert page.headers["Content-Encoding"] == "gzip"
    for address in ["/healthz", "/readyz"]:
        assert "no-store" in http.get(address).headers["Cache-Control"]
