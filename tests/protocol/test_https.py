"""An index that speaks TLS: clients that trust its authority, and those that don't.

Its host is an address of this machine that isn't loopback: docker trusts anybody there.
"""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.protocol.clients import Docker, Failed
from tests.protocol.inside import Inside
from tests.stack import Stack, free_port, new_folder

pytestmark = pytest.mark.clients

HUB = "hub.example.com"


class SecureStack(Stack):
    """Asked by its address, for any name that it has."""

    def __init__(self, folder: Path, *, command: list[str] | None = None) -> None:
        super().__init__(folder, command=command)
        self.http_port = free_port()

    def use(self, **settings: str) -> None:
        """Run with these settings."""
        if self.is_running() and settings == self.settings:
            return
        if self.is_running():
            self.stop()
        self.settings = settings
        self.url = settings["SITE_URL"]
        self.host = self.url.removeprefix("https://")
        self.start()

    def is_ready(self) -> bool:
        try:
            return self.ask("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def ask(self, path: str, **headers: str) -> httpx.Response:
        """Where the front door listens, without a look at its certificate."""
        scheme = "http" if "TRUSTED_PROXIES" in self.settings else "https"
        address = f"{scheme}://127.0.0.1:{self.port}{path}"
        return httpx.get(address, headers={"Host": self.host, **headers}, verify=False, timeout=10)


@pytest.fixture(scope="module")
def stack() -> Iterator[SecureStack]:
    folder = new_folder()
    stack = SecureStack(folder)
    yield stack
    stack.stop()
    shutil.rmtree(folder)


@pytest.fixture
def own_address() -> str:
    """Of this machine, in the network that leads elsewhere; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
            return str(asking.getsockname()[0])
        except OSError:
            return "0.0.0.0"  # leads here, too, and docker doesn't take it for loopback


@pytest.fixture
def secure(stack, own_address) -> SecureStack:
    """An index that is its own authority."""
    site_url = f"https://{own_address}:{stack.port}"
    stack.use(SITE_URL=site_url, HTTP_PORT=str(stack.http_port))
    return stack


@pytest.fixture
def root(secure) -> Path:
    (path,) = (secure.var_dir / "secrets").glob("tls_authority_of_[0-9]*.crt")
    return path


@pytest.fixture
def alices_token(secure) -> Iterator[str]:
    inside = Inside(secure)
    yield str(
        inside(
            "access_tokens.create(User.objects.filter(username='alice').first()"
            " or User.objects.create_user(username='alice'), 'for tests', 'write')[1]"
        )
    )
    inside.close()


def test_docker_refuses_who_certifies_himself_until_it_is_told(
    secure, root, docker, alices_token, tmp_path_factory
):
    with pytest.raises(Failed, match="x509"):
        docker.login(secure.host, "alice", alices_token)

    image = f"{secure.host}/alice/app:1.0"
    trusting = Docker(tmp_path_factory.mktemp("docker"), trusting=root)
    try:
        assert "Login Succeeded" in trusting.login(secure.host, "alice", alices_token)
        trusting.build(image)
        trusting("push", image)
        trusting.empty()
        assert "Downloaded newer image" in trusting("pull", image)
        assert "alice/app" in trusting("search", f"{secure.host}/alice")
    finally:
        trusting.stop()


def test_skopeo_and_podman_take_the_root_from_a_folder(
    secure, root, skopeo, podman, layout, alices_token, tmp_path
):
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    shutil.copy(root, certificates / "ca.crt")
    image = f"{secure.host}/alice/copied:1"
    layout.image("x")
    copy = ["copy", "--dest-creds", f"alice:{alices_token}"]

    with pytest.raises(Failed, match="x509"):
        skopeo(*copy, layout.reference("x"), f"docker://{image}")
    skopeo(*copy, "--dest-cert-dir", str(certificates), layout.reference("x"), f"docker://{image}")
    trust = ["--cert-dir", str(certificates)]
    login = ["login", *trust, "-u", "alice", "--password-stdin", secure.host]
    assert "Login Succeeded" in podman(*login, stdin=alices_token)
    podman("pull", "-q", *trust, image)


def test_the_root_is_there_to_download_and_is_enough(secure, root):
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"{secure.url}/healthz")
    assert secure.ask("/ca.crt").content == root.read_bytes()

    trusting = ssl.create_default_context(cafile=str(root))
    assert httpx.get(f"{secure.url}/healthz", verify=trusting).status_code == 200
    done = subprocess.run(
        ["curl", "-sS", "--cacert", str(root), f"{secure.url}/healthz"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")


def test_the_start_prints_how_to_trust_it(secure, root):
    said = secure.output()
    assert f"/etc/docker/certs.d/{secure.host}/ca.crt" in said
    assert f"{secure.url}/help/certificate" in said
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-sha256", "-fingerprint", "-in", str(root)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.partition("=")[2].strip() in said


def test_browsers_hear_that_it_is_https_for_good(secure):
    page = secure.ask("/account/login/")
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    cookies = page.headers.get_list("Set-Cookie")
    assert cookies
    assert all("; Secure" in cookie for cookie in cookies)


def test_http_leads_people_to_https_and_refuses_clients(secure):
    with httpx.Client(base_url=f"http://127.0.0.1:{secure.http_port}") as http:
        page = http.get("/search?q=a%20b", headers={"Host": "evil.example"})
        assert page.status_code == 308
        assert page.headers["Location"] == f"{secure.url}/search?q=a%20b"
        for path in ["/v2/", "/v2/alice/app/manifests/1", "/token", "/v1/_ping", "/api/v1/me"]:
            refusal = http.get(path, auth=("alice", "secret"))
            assert refusal.status_code == 403
            assert secure.url in refusal.json()["errors"][0]["message"]


def test_a_registry_token_comes_from_where_tls_is(secure):
    challenge = secure.ask("/v2/").headers["WWW-Authenticate"]
    assert challenge.startswith(f'Bearer realm="{secure.url}/token",service="{secure.host}"')


# --- Other ways: the same index, started again with other settings ------------------------


def test_an_own_certificate_is_served(stack, tmp_path):
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    subprocess.run(
        [
            *["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            *["-nodes", "-days", "2", "-subj", "/CN=own", "-addext", f"subjectAltName=DNS:{HUB}"],
            *["-keyout", str(key), "-out", str(certificate)],
        ],
        capture_output=True,
        check=True,
    )
    stack.use(SITE_URL=f"https://{HUB}:{stack.port}", TLS_CERT=str(certificate), TLS_KEY=str(key))
    trusting = ssl.create_default_context(cafile=str(certificate))
    with (
        socket.create_connection(("127.0.0.1", stack.port)) as plain,
        trusting.wrap_socket(plain, server_hostname=HUB) as secured,
    ):
        served = secured.getpeercert(binary_form=True)
    assert served == ssl.PEM_cert_to_DER_cert(certificate.read_text())
    assert stack.ask("/ca.crt").status_code == 404


def test_behind_a_proxy_the_front_door_speaks_http_and_believes_the_proxy_alone(stack, own_address):
    stack.use(SITE_URL=f"https://{HUB}", TRUSTED_PROXIES="127.0.0.1", PORT=str(stack.port))
    by_https = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
    page = stack.ask("/account/login/", **by_https)
    assert page.status_code == 200
    assert "Strict-Transport-Security" in page.headers
    assert all("; Secure" in cookie for cookie in page.headers.get_list("Set-Cookie"))
    challenge = stack.ask("/v2/", **by_https).headers["WWW-Authenticate"]
    assert challenge.startswith(f'Bearer realm="https://{HUB}/token",service="{HUB}"')

    by_http = {"X-Forwarded-Proto": "http"}
    assert stack.ask("/search", **by_http).headers["Location"] == f"https://{HUB}/search"
    assert stack.ask("/v2/", **by_http).status_code == 403
    stranger = httpx.get(
        f"http://{own_address}:{stack.port}/healthz", headers={"Host": HUB, **by_http}
    )
    assert stranger.status_code == 200  # what he says about himself isn't listened to
