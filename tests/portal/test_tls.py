"""Which way to TLS the settings mean, and what stops the start."""

import datetime
import ipaddress
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from portal import startup, tls
from portal.env import BASE_DIR, BadSetting
from portal.tls import Tls

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
HUB = "https://hub.example.com"


def choose(wanted: str, site_url: str, *settings: str) -> Tls:
    return tls.choose(
        wanted,
        site_url,
        has_certificate="cert" in settings,
        has_key="key" in settings,
        is_behind_proxy="proxy" in settings,
    )


@pytest.mark.parametrize(
    ("wanted", "site_url", "settings", "problem"),
    [
        ("auto", HUB, ["cert"], "TLS_CERT and TLS_KEY belong together"),
        ("auto", HUB, ["key"], "TLS_CERT and TLS_KEY belong together"),
        ("auto", "", ["cert", "key"], "SITE_URL isn't https"),
        ("internal", "http://hub.example.com", [], "SITE_URL isn't https"),
        ("acme", "", [], "SITE_URL isn't https"),
        ("off", HUB, ["cert", "key"], "exclude each other"),
        ("acme", HUB, ["cert", "key"], "exclude each other"),
        ("acme", "https://localhost", [], "no public authority"),
        ("acme", "https://192.0.2.7", [], "no public authority"),
        ("acme", "https://hub.internal", [], "no public authority"),
    ],
)
def test_what_can_not_work_is_said(wanted, site_url, settings, problem):
    with pytest.raises(BadSetting, match=problem):
        choose(wanted, site_url, *settings)


@pytest.mark.parametrize(
    ("wanted", "site_url", "settings", "meant", "port"),
    [
        ("auto", "", [], Tls.NONE, 8080),
        ("auto", "http://hub.example.com:9000", ["proxy"], Tls.NONE, 8080),
        ("off", "http://hub.example.com", [], Tls.NONE, 8080),
        ("auto", "https://hub.example.org", [], Tls.ACME, 443),
        ("auto", "https://hub.example.org:8443", [], Tls.ACME, 8443),
        ("auto", "https://hub.example.org", ["proxy"], Tls.PROXY, 8080),
        ("off", "https://hub.example.org", [], Tls.PROXY, 8080),
        ("internal", "https://hub.example.org", ["proxy"], Tls.INTERNAL, 443),
        ("auto", "https://hub.example.org", ["cert", "key", "proxy"], Tls.OWN, 443),
        *[
            ("auto", f"https://{host}", [], Tls.INTERNAL, 443)
            for host in ["localhost", "hub", "192.0.2.7", "[fd00::7]", "hub.internal", "hub.local"]
        ],
    ],
)
def test_what_the_settings_mean(wanted, site_url, settings, meant, port):
    assert choose(wanted, site_url, *settings) == meant
    assert tls.default_port(site_url, meant) == port


# --- TLS_CERT and TLS_KEY -----------------------------------------------------------------


def write(folder: Path, *names: str, ends: datetime.datetime) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub.example.com")])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, NOW - 2 * YEAR, ends)
        .add_extension(x509.SubjectAlternativeName([general(name) for name in names]), False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "tls.crt", folder / "tls.key"
    certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate_file, key_file


def general(name: str) -> x509.GeneralName:
    is_address = name[0].isdecimal()
    return x509.IPAddress(ipaddress.ip_address(name)) if is_address else x509.DNSName(name)


YEAR = datetime.timedelta(days=365)


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["hub.example.com"], "hub.example.com"),
        (["other.example.com", "*.example.com"], "hub.example.com"),
        (["192.0.2.7"], "192.0.2.7"),
    ],
)
def test_a_certificate_that_fits(tmp_path, names, host):
    files = write(tmp_path, *names, ends=NOW + YEAR)
    tls.check_certificate(*files, host, NOW)


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["other.example.com"], "hub.example.com"),
        (["*.example.com"], "a.hub.example.com"),
        (["*.example.com"], "example.com"),
        (["192.0.2.8"], "192.0.2.7"),
    ],
)
def test_a_certificate_of_another_host(tmp_path, names, host):
    files = write(tmp_path, *names, ends=NOW + YEAR)
    with pytest.raises(BadSetting, match=f"not for {host}"):
        tls.check_certificate(*files, host, NOW)


def test_a_certificate_that_has_ended(tmp_path):
    files = write(tmp_path, "hub.example.com", ends=NOW - YEAR)
    with pytest.raises(BadSetting, match="ended on 2025-06-01"):
        tls.check_certificate(*files, "hub.example.com", NOW)


def test_files_that_are_none_or_of_different_pairs(tmp_path):
    certificate, key = write(tmp_path, "hub.example.com", ends=NOW + YEAR)
    with pytest.raises(BadSetting, match=r"TLS_CERT=.*no certificate"):
        tls.check_certificate(key, key, "hub.example.com", NOW)
    with pytest.raises(BadSetting, match=r"TLS_KEY=.*no private key"):
        tls.check_certificate(certificate, tmp_path / "nothing", "hub.example.com", NOW)
    (tmp_path / "other").mkdir()
    _, other_key = write(tmp_path / "other", "hub.example.com", ends=NOW + YEAR)
    with pytest.raises(BadSetting, match="not the key of TLS_CERT"):
        tls.check_certificate(certificate, other_key, "hub.example.com", NOW)


# --- Our own authority --------------------------------------------------------------------


@pytest.mark.parametrize("host", ["hub.internal", "192.0.2.7", "fd00::7"])
def test_the_authority_is_made_once_and_may_sign_for_its_host_alone(tmp_path, host):
    authority = tls.Authority(host, tmp_path / "secrets")
    authority.make(NOW)
    fingerprint = authority.fingerprint
    authority.make(NOW + YEAR)
    assert authority.fingerprint == fingerprint

    root = x509.load_pem_x509_certificate(authority.certificate_file.read_bytes())
    limits = root.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    permitted = {str(name.value) for name in limits.value.permitted_subtrees or []}
    assert permitted & {host, f"{host}/32", f"{host}/128"}
    assert authority.key_file.stat().st_mode & 0o777 == 0o600


def test_another_host_has_another_authority(tmp_path):
    first, second = tls.Authority("a.internal", tmp_path), tls.Authority("b.internal", tmp_path)
    first.make(NOW)
    second.make(NOW)
    assert first.id != second.id


# --- Ports, and the whole -----------------------------------------------------------------


def test_the_port_of_the_redirect_is_named_if_it_is_taken(settings):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings.HTTP_PORT = other.getsockname()[1]
        with pytest.raises(startup.CannotStart, match=f"HTTP_PORT={settings.HTTP_PORT} is used"):
            startup.choose_redirect_port()


def manage(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE_DIR,
        env={"ENV_FILE": os.devnull, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"SITE_URL": HUB, "TLS": "no"}, "TLS='no' is not known"),
        ({"SITE_URL": HUB, "TLS": "off", "HTTP_PORT": "8081"}, "HTTP_PORT"),
        ({"SITE_URL": HUB, "PORT": "8081", "HTTP_PORT": "8081"}, "HTTP_PORT"),
        ({"HTTP_PORT": "8081"}, "HTTP_PORT"),
        ({"SITE_URL": "https://hub.example.org", "TLS_CERT": "/x"}, "belong together"),
    ],
)
def test_a_bad_setting_stops_the_start_with_one_sentence(tmp_path, settings, problem):
    done = manage("up", VAR_DIR=str(tmp_path), **settings)
    assert done.returncode != 0
    assert done.stderr.startswith("A setting is wrong: ")
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("site_url", ["https://hub.example.org", "https://localhost:8443"])
def test_django_finds_nothing_to_make_safer(tmp_path, site_url):
    done = manage(
        "check", "--deploy", "--fail-level=WARNING", VAR_DIR=str(tmp_path), SITE_URL=site_url
    )
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


# --- The page -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/ca.crt", "/help/certificate"])
def test_there_is_nothing_to_trust_where_public_authorities_certify(client, db, settings, path):
    settings.TLS = Tls.ACME
    assert client.get(path).status_code == 404


def test_the_page_says_how_to_trust(client, db, settings, tmp_path):
    settings.TLS = Tls.INTERNAL
    settings.SITE_HOST = "hub.internal:8443"
    settings.TLS_AUTHORITY = tls.Authority("hub.internal", tmp_path)
    settings.TLS_AUTHORITY.make(NOW)
    page = client.get("/help/certificate").content.decode()
    assert settings.TLS_AUTHORITY.fingerprint in page
    assert "cp ca.crt /etc/docker/certs.d/hub.internal:8443/ca.crt" in page
    assert "ca = &quot;/etc/containerd/certs.d/hub.internal:8443/ca.crt&quot;" in page
    root = client.get("/ca.crt").content
    assert x509.load_pem_x509_certificate(root).subject.rfc4514_string() == "CN=Gantry hub.internal"
