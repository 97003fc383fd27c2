"""Registry tokens: what we take back, who stands behind one, and what the real registry says."""

import base64
import hashlib
import hmac
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import load_pem_x509_certificates
from django.core.management import CommandError, call_command

from accounts import access_tokens
from accounts.principals import NOBODY, Principal
from repositories import registry_tokens
from repositories.registry_tokens import BadRegistryToken

PULL = {"type": "repository", "name": "alice/app", "actions": ["pull"]}
PUSH = {"type": "repository", "name": "alice/app", "actions": ["pull", "push"]}


@pytest.fixture(autouse=True)
def var_dir(settings, tmp_path):
    """Keys of this test's own."""
    settings.VAR_DIR = tmp_path
    return tmp_path


def signed(key=None, headers=None, **changes):
    """A token as ours, but for ``changes`` (None leaves a claim out)."""
    now = int(time.time())
    claims = {
        "iss": "gantry",
        "sub": "",
        "aud": "localhost:8080",
        "exp": now + 300,
        "nbf": now - 10,
        "iat": now,
        "access": [PULL],
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    ring = registry_tokens._key_ring()
    headers = {"kid": ring.current.id, **(headers or {})}
    return jwt.encode(claims, key or ring.current.private_key, "ES256", headers=headers)


STRANGER = ec.generate_private_key(ec.SECP256R1())
AGO, SOON = -400, 400
BAD = {
    "another audience": lambda: signed(aud="elsewhere"),
    "our audience among others": lambda: signed(aud=["localhost:8080", "elsewhere"]),
    "no audience": lambda: signed(aud=None),
    "another issuer": lambda: signed(iss="elsewhere"),
    "expired": lambda: signed(exp=int(time.time()) + AGO),
    "no expiry": lambda: signed(exp=None),
    "not yet valid": lambda: signed(nbf=int(time.time()) + SOON),
    "another key under our id": lambda: signed(key=STRANGER),
    "another key": lambda: signed(
        key=STRANGER, headers={"kid": registry_tokens.fingerprint(STRANGER.public_key())}
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_refuses_what_is_not_ours_or_not_valid(case):
    with pytest.raises(BadRegistryToken):
        registry_tokens.verify(BAD[case]())


def unsigned():
    header, payload, _signature = signed().split(".")
    header = base64.urlsafe_b64encode(
        json.dumps({"alg": "none", "kid": registry_tokens._key_ring().current.id}).encode()
    )
    return f"{header.decode().rstrip('=')}.{payload}."


def signed_with_the_public_key():
    """The old trick: our public key, taken for a shared secret."""
    secret = registry_tokens.bundle_path().read_bytes()
    part = base64.urlsafe_b64encode(
        json.dumps({"alg": "HS256", "kid": registry_tokens._key_ring().current.id}).encode()
    ).decode()
    message = part.rstrip("=") + "." + signed().split(".")[1]
    signature = hmac.new(secret, message.encode(), hashlib.sha256).digest()
    return message + "." + base64.urlsafe_b64encode(signature).decode().rstrip("=")


@pytest.mark.parametrize(
    "make",
    [
        unsigned,
        signed_with_the_public_key,
        lambda: signed(headers={"kid": "../../etc/passwd"}),
        lambda: signed()[:-5],
        lambda: "",
        lambda: "a.b.c",
        lambda: "gtp_something",
        lambda: "é.\0.\x7f",
    ],
)
def test_refuses_what_is_no_token(make):
    with pytest.raises(BadRegistryToken):
        registry_tokens.verify(make())


def test_an_expired_token_that_the_registry_may_still_take_is_known(alice):
    claims = registry_tokens.verify(signed(exp=int(time.time()) - 60))
    assert claims["access"] == [PULL]


# --- Who stands behind it -------------------------------------------------------------------


def test_a_token_says_whom_it_stands_for_and_through_what(alice):
    row, _secret = access_tokens.create(alice, "laptop", "write")
    given = Principal.of_token(alice, row)

    token, issued_at, expires_in = registry_tokens.sign(given, [PUSH])

    assert expires_in == 300
    assert abs(issued_at.timestamp() - time.time()) < 5
    claims = registry_tokens.verify(token)
    assert claims["sub"] == "alice"
    assert claims["access"] == [PUSH]
    assert registry_tokens.principal_of(token) == given


def test_nobody_stays_nobody(django_assert_num_queries, db):
    token = registry_tokens.sign(NOBODY, []).token
    with django_assert_num_queries(0):
        assert registry_tokens.principal_of(token) == NOBODY


def test_a_revoked_access_token_ends_what_was_made_with_it(alice, django_assert_num_queries):
    row, _secret = access_tokens.create(alice, "laptop", "write")
    token = registry_tokens.sign(Principal.of_token(alice, row), [PUSH]).token
    with django_assert_num_queries(1):
        registry_tokens.principal_of(token)
    access_tokens.revoke(row)
    with pytest.raises(BadRegistryToken, match="revoked"):
        registry_tokens.principal_of(token)


def test_a_changed_password_ends_what_was_made_with_the_old_one(alice):
    token = registry_tokens.sign(Principal(alice), [PUSH]).token
    assert registry_tokens.principal_of(token) == Principal(alice)
    alice.set_password("another-password-2")
    alice.save()
    with pytest.raises(BadRegistryToken):
        registry_tokens.principal_of(token)


@pytest.mark.parametrize("with_token", [True, False])
def test_a_blocked_or_deleted_account_ends_its_tokens(alice, with_token):
    row, _secret = access_tokens.create(alice, "laptop", "write")
    principal = Principal.of_token(alice, row) if with_token else Principal(alice)
    token = registry_tokens.sign(principal, [PUSH]).token
    alice.is_active = False
    alice.save()
    with pytest.raises(BadRegistryToken):
        registry_tokens.principal_of(token)
    alice.delete()
    with pytest.raises(BadRegistryToken):
        registry_tokens.principal_of(token)


def test_the_portals_own_token_stands_for_no_person(db):
    token = registry_tokens.own_token([PULL])
    assert registry_tokens.verify(token)["sub"] == registry_tokens.OWN_SUBJECT
    with pytest.raises(BadRegistryToken):
        registry_tokens.principal_of(token)


# --- Keys -----------------------------------------------------------------------------------


def test_files_are_private_and_hold_current_and_next_key(var_dir):
    bundle = registry_tokens.bundle_path()
    jwks = json.loads(registry_tokens.jwks_path().read_text())

    ring = registry_tokens._key_ring()
    ids = [ring.current.id, ring.next.id]
    certificates = load_pem_x509_certificates(bundle.read_bytes())
    assert [registry_tokens.fingerprint(c.public_key()) for c in certificates] == ids
    assert [key["kid"] for key in jwks["keys"]] == ids
    assert not any("d" in key for key in jwks["keys"]), "a private part"
    assert "PRIVATE" not in bundle.read_text()
    for path in bundle.parent.iterdir():
        assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) or path.name == "lock"
    assert stat.S_IMODE(bundle.parent.stat().st_mode) == 0o700


def test_public_files_that_were_removed_come_back():
    path = registry_tokens.bundle_path()
    before = path.read_text()
    path.unlink()
    registry_tokens.jwks_path().unlink()
    assert registry_tokens.bundle_path().read_text() == before
    assert registry_tokens.jwks_path().exists()


def test_many_processes_that_start_at_once_agree_on_the_keys(var_dir):
    program = (
        "import django, os; django.setup();"
        "from repositories import registry_tokens;"
        "print(registry_tokens.own_token([]).split('.')[0])"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "VAR_DIR": str(var_dir / "new"),
        "ENV_FILE": os.devnull,
    }

    def start(_number):
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env=environment, capture_output=True, check=True).stdout

    with ThreadPoolExecutor(4) as pool:
        headers = set(pool.map(start, range(4)))
    assert len(headers) == 1


def test_a_rotation_by_another_process_is_seen_at_once():
    old = registry_tokens.own_token([])
    ring = registry_tokens._key_ring()
    following = ring.next.id

    registry_tokens.rotate()

    new = registry_tokens.own_token([])
    assert jwt.get_unverified_header(new)["kid"] == following
    assert registry_tokens.verify(old) and registry_tokens.verify(new)


def test_a_replaced_key_is_kept_only_as_long_as_its_tokens_live(monkeypatch):
    old = signed(exp=int(time.time()) + 10_000)
    registry_tokens.rotate()
    assert registry_tokens.verify(old)

    later = time.time() + 400
    monkeypatch.setattr(registry_tokens.time, "time", lambda: later)
    with pytest.raises(BadRegistryToken, match="key"):
        registry_tokens.verify(old)
    registry_tokens.rotate()
    assert len(registry_tokens._key_ring().keys) == 3


# --- The real registry ----------------------------------------------------------------------


CONFIGURATION = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
auth: {{token: {{realm: http://localhost:8080/token, service: "localhost:8080", issuer: gantry,
  rootcertbundle: {bundle}}}}}
http: {{addr: "127.0.0.1:{port}", secret: x}}
"""


@contextmanager
def running_registry(folder):
    program = shutil.which("docker-registry")
    if program is None:
        assert not os.environ.get("CI"), "docker-registry is missing: apt-get install it"
        pytest.skip("needs docker-registry (Debian's package of that name)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = folder / "registry.yml"
    bundle = registry_tokens.bundle_path()
    path.write_text(CONFIGURATION.format(root=folder / "images", bundle=bundle, port=port))
    process = subprocess.Popen([program, "serve", str(path)], stdout=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            _wait_for(client)
            yield client
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(client):
    deadline = time.monotonic() + 20
    while True:
        try:
            client.get("/v2/")
            return
        except httpx.TransportError:
            assert time.monotonic() < deadline, "docker-registry didn't start"


@pytest.fixture
def registry(tmp_path):
    with running_registry(tmp_path) as client:
        yield client


def ask(registry, token, method="GET", path="/v2/"):
    response = registry.request(method, path, headers={"Authorization": f"Bearer {token}"})
    return response.status_code


def test_the_registry_takes_our_tokens_and_no_others(registry, alice):
    assert ask(registry, registry_tokens.sign(Principal(alice), []).token) == 200
    assert ask(registry, registry_tokens.sign(NOBODY, []).token) == 200
    assert ask(registry, registry_tokens.next_key_token()) == 200
    assert registry.get("/v2/").status_code == 401
    for case, make in BAD.items():
        assert ask(registry, make()) == 401, case
    for make in [unsigned, signed_with_the_public_key]:
        assert ask(registry, make()) == 401


def test_the_registry_keeps_to_what_was_granted(registry):
    pull = registry_tokens.own_token([PULL])
    push = registry_tokens.own_token([PUSH])
    catalog = registry_tokens.own_token([{"type": "registry", "name": "catalog", "actions": ["*"]}])
    uploads = "/v2/alice/app/blobs/uploads/"

    assert ask(registry, pull, "GET", "/v2/alice/app/manifests/1") == 404
    assert ask(registry, pull, "GET", "/v2/alice/secret/manifests/1") == 401
    assert ask(registry, pull, "POST", uploads) == 401
    assert ask(registry, push, "POST", uploads) == 202
    assert ask(registry, push, "POST", "/v2/alice/other/blobs/uploads/") == 401
    assert ask(registry, push, "POST", uploads + "?mount=sha256:" + "0" * 64 + "&from=bob/x") == 401
    assert ask(registry, push, "DELETE", "/v2/alice/app/manifests/sha256:" + "0" * 64) == 401
    assert ask(registry, push, "GET", "/v2/_catalog") == 401
    assert ask(registry, catalog, "GET", "/v2/_catalog") == 200


def test_no_pull_fails_while_keys_rotate(tmp_path, settings, capsys):
    with running_registry(tmp_path) as registry:
        settings.REGISTRY_URL = str(registry.base_url).rstrip("/")
        old = registry_tokens.own_token([PULL])
        call_command("rotate_registry_keys")
        # The registry hasn't read the new file, and needs not.
        new = registry_tokens.own_token([PULL])
        assert old.split(".")[0] != new.split(".")[0]
        assert ask(registry, old) == ask(registry, new) == 200

        assert "restart" in capsys.readouterr().out
        with pytest.raises(CommandError, match="doesn't know the next key"):
            call_command("rotate_registry_keys")
        assert registry_tokens.own_token([]).split(".")[0] == new.split(".")[0]

    with running_registry(tmp_path) as registry:
        settings.REGISTRY_URL = str(registry.base_url).rstrip("/")
        assert ask(registry, old) == ask(registry, new) == 200
        call_command("rotate_registry_keys")
        assert ask(registry, registry_tokens.own_token([PULL])) == 200


def test_keys_rotate_while_the_embedded_registry_is_stopped(settings, tmp_path, capsys):
    settings.REGISTRY_URL, settings.REGISTRY_SOCKET = "", tmp_path / "registry.sock"
    before = registry_tokens.own_token([])
    call_command("rotate_registry_keys")
    assert registry_tokens.own_token([]).split(".")[0] != before.split(".")[0]
    assert "supervisorctl" in capsys.readouterr().out


def test_keys_do_not_rotate_while_a_registry_elsewhere_does_not_answer(settings, capsys):
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings.REGISTRY_URL = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(CommandError, match="--force"):
        call_command("rotate_registry_keys")
    call_command("rotate_registry_keys", "--force")
    assert len(registry_tokens._key_ring().keys) == 3
