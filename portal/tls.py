"""Who speaks TLS for the index, with which certificate; and the index's own authority.

For a name that no public authority certifies (localhost, an address, hub.internal), the index is
its own authority. Its root may sign for this one host alone: whoever trusts it trusts it for
nothing else (RFC 5280, 4.2.1.10, "Name Constraints").
"""

import datetime
import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from portal.env import BadSetting, write_once

HTTPS_PORT = 443
DEFAULT_PORT = 8080  # needs no root
# RFC 2606 and 6761, ICANN's "internal", and what routers give out.
LOCAL_DOMAINS = (
    *(".internal", ".local", ".localhost", ".test", ".example", ".invalid"),
    *(".lan", ".home", ".corp", ".home.arpa"),
)
# People install it on many machines: it must not end before those do.
AUTHORITY_LASTS = datetime.timedelta(days=10 * 365)
CLOCKS_DIFFER = datetime.timedelta(days=1)
ALL_ADDRESSES = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]


class Tls(StrEnum):
    """The values are names of snippets in the Caddyfile: ``tls_…``."""

    NONE = "none"  # SITE_URL is http
    PROXY = "proxy"  # something in front of the front door speaks it
    ACME = "acme"  # a public authority's certificate, by itself
    OWN = "own"  # TLS_CERT and TLS_KEY
    INTERNAL = "internal"  # by the index's own authority

    @property
    def is_spoken(self) -> bool:
        """By our front door."""
        return self in {Tls.ACME, Tls.OWN, Tls.INTERNAL}


def choose(
    wanted: str,
    site_url: str,
    *,
    has_certificate: bool,
    has_key: bool,
    is_behind_proxy: bool,
) -> Tls:
    """What ``TLS=wanted`` means together with the other settings. Raises BadSetting."""
    if has_certificate != has_key:
        raise BadSetting("TLS_CERT and TLS_KEY belong together: set both, or neither.")
    if not site_url.startswith("https://"):
        if has_certificate or wanted in {"acme", "internal"}:
            raise BadSetting(
                "TLS is set, but SITE_URL isn't https: give it like SITE_URL=https://hub.example.com."
            )
        return Tls.NONE
    if has_certificate:
        if wanted != "auto":
            raise BadSetting(f"TLS={wanted} and TLS_CERT exclude each other: remove one of them.")
        return Tls.OWN
    host = urlsplit(site_url).hostname or ""
    if wanted == "acme" and is_local(host):
        raise BadSetting(
            f"TLS=acme can't work for {host}, since no public authority certifies such a name: "
            "set TLS=internal, or TLS_CERT and TLS_KEY."
        )
    if wanted == "auto":
        if is_behind_proxy:
            return Tls.PROXY
        return Tls.INTERNAL if is_local(host) else Tls.ACME
    return Tls.PROXY if wanted == "off" else Tls(wanted)


def default_port(site_url: str, tls: Tls) -> int:
    if not tls.is_spoken:
        return DEFAULT_PORT
    return urlsplit(site_url).port or HTTPS_PORT


def is_local(host: str) -> bool:
    """Whether no public authority certifies ``host``."""
    return _address(host) is not None or "." not in host or host.endswith(LOCAL_DOMAINS)


# --- A certificate of the operator's own --------------------------------------------------


def check_certificate(certificate: Path, key: Path, host: str, now: datetime.datetime) -> None:
    """Raises BadSetting if the front door couldn't serve ``host`` with these files."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise BadSetting(f"TLS_CERT={certificate} is no certificate in PEM: {error}") from error
    try:
        private_key = load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadSetting(f"TLS_KEY={key} is no private key in PEM: {error}") from error
    as_bytes = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private_key.public_key().public_bytes(*as_bytes) != leaf.public_key().public_bytes(
        *as_bytes
    ):
        raise BadSetting(
            "TLS_KEY is not the key of TLS_CERT: the host's own must be the first in it."
        )
    if not _is_for(leaf, host):
        raise BadSetting(f"TLS_CERT={certificate} is not for {host}, the host of SITE_URL.")
    if now > leaf.not_valid_after_utc:
        raise BadSetting(
            f"TLS_CERT={certificate} has ended on {leaf.not_valid_after_utc:%Y-%m-%d}."
        )


def _is_for(certificate: x509.Certificate, host: str) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False  # no client of today looks at the common name
    address = _address(host)
    if address is not None:
        return address in names.get_values_for_type(x509.IPAddress)
    wildcard = f"*.{host.partition('.')[2]}"
    return any(name.lower() in {host, wildcard} for name in names.get_values_for_type(x509.DNSName))


# --- The index's own authority ------------------------------------------------------------


@dataclass(frozen=True)
class Authority:
    """The root certificate and its key, in the secrets: the backup has them."""

    host: str
    secrets: Path

    @property
    def certificate_file(self) -> Path:
        return self.secrets / f"tls_authority_of_{self._name}.crt"

    @property
    def key_file(self) -> Path:
        return self.secrets / f"tls_authority_of_{self._name}.key"

    @property
    def _name(self) -> str:
        return self.host.replace(":", "-")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as browsers and openssl show it: ``AB:CD:…``."""
        certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        return certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def id(self) -> str:
        """Another one for another root: the front door then makes all certificates anew."""
        return f"gantry-{self.fingerprint.replace(':', '')[:16].lower()}"

    def make(self, now: datetime.datetime) -> None:
        """Both files, unless they are there."""
        key = load_pem_private_key(write_once(self.key_file, _new_key()).encode(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise BadSetting(f"{self.key_file} is not what we wrote: remove it.")
        write_once(self.certificate_file, _root(self.host, key, now))


def _new_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


def _root(host: str, key: ec.EllipticCurvePrivateKey, now: datetime.datetime) -> str:
    common_name = f"Gantry {host}"[:64]  # RFC 5280, ub-common-name
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    public_key = key.public_key()
    usage = x509.KeyUsage(
        key_cert_sign=True,
        crl_sign=True,
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now + AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_only_for(host), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode()


def _only_for(host: str) -> x509.NameConstraints:
    address = _address(host)
    if address is None:
        return x509.NameConstraints(
            permitted_subtrees=[x509.DNSName(host)],
            excluded_subtrees=[x509.IPAddress(network) for network in ALL_ADDRESSES],
        )
    # Names are free where only addresses are limited: so this one, which nobody can have.
    return x509.NameConstraints(
        permitted_subtrees=[x509.IPAddress(ipaddress.ip_network(address)), x509.DNSName("invalid")],
        excluded_subtrees=None,
    )


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
