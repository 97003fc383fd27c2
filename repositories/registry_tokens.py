"""Registry tokens: the five-minute JWTs that Distribution checks, and the keys that sign them.

Distribution 2.8 finds a key by its libtrust fingerprint in a bundle of certificates; 3.x finds
it by the same ``kid`` in a JWK set. Both read their file at start and never again. So there is
always a next key in it: rotation signs with a key that every registry knows already.

The keys lie in one file, so that all portal processes see a rotation at once and whole.
"""

import base64
import fcntl
import hashlib
import json
import os
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

import jwt
from cryptography import x509
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
from django.conf import settings

from accounts.digests import keyed_digest
from accounts.models import AccessToken, User
from accounts.principals import Principal
from portal.env import private_dir

ALGORITHM = "ES256"
LIFETIME_SECONDS = 300  # the only revocation that the registry itself knows is the end of a token
# Clocks differ: a token is good a little before it was made. The registry allows 60 s itself.
BACKDATED_SECONDS = 10
# More than the 60 s of the registry: what it still takes must never be unknown to the gate.
LEEWAY_SECONDS = 90
# Distribution doesn't look at a certificate's dates when it finds the key by ``kid``.
CERTIFICATE_LIFETIME = timedelta(days=365 * 50)

# The portal itself, as the registry sees it. Nobody can sign up with this name.
OWN_SUBJECT = "gantry"
# The private claim that says whom a token stands for; Distribution ignores it.
CLAIM = "gantry"

Grant = Mapping[str, Any]  # {"type": "repository", "name": "alice/app", "actions": ["pull"]}


class BadRegistryToken(Exception):
    """Not a registry token of ours, not valid now, or of somebody who may not use it any more."""


class RegistryToken(NamedTuple):
    token: str
    issued_at: datetime
    expires_in: int  # seconds


# --- Tokens -------------------------------------------------------------------------------


def sign(principal: Principal, grants: Sequence[Grant]) -> RegistryToken:
    """A token with which ``principal`` may do what ``grants`` say, until it expires."""
    user = principal.user
    claim: dict[str, Any] = {}
    if user is not None:
        claim["user"] = user.pk
        if principal.access_token_id is not None:
            claim["access_token"] = principal.access_token_id
        else:
            claim["password"] = _password_mark(user)
    return _sign(principal.username, grants, claim)


def own_token(grants: Sequence[Grant]) -> str:
    """A token for the portal itself, to read what the registry holds."""
    return _sign(OWN_SUBJECT, grants, {}).token


def verify(token: str) -> dict[str, Any]:
    """The claims of a token that we signed and that the registry may still take.

    Raises BadRegistryToken.
    """
    try:
        key = _key_ring().find(jwt.get_unverified_header(token).get("kid"))
        claims: dict[str, Any] = jwt.decode(
            token,
            key=key.private_key.public_key(),
            algorithms=[ALGORITHM],
            audience=settings.SITE_HOST,
            issuer=settings.REGISTRY_TOKEN_ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "aud", "exp", "nbf", "sub"], "strict_aud": True},
        )
    except jwt.InvalidTokenError as error:
        raise BadRegistryToken(str(error)) from error
    return claims


def principal_of(token: str) -> Principal:
    """Who stands behind a token now: his account and his credential may have ended since.

    Raises BadRegistryToken.
    """
    claims = verify(token)
    claim = claims.get(CLAIM) or {}
    if "user" not in claim:
        if claims["sub"]:
            raise BadRegistryToken("this token is the portal's own")
        return Principal()
    if "access_token" in claim:
        tokens = AccessToken.objects.usable().select_related("user")
        access_token = tokens.filter(pk=claim["access_token"], user_id=claim["user"]).first()
        if access_token is None:
            raise BadRegistryToken("the access token behind this token was revoked or has expired")
        return Principal.of_token(access_token.user, access_token)
    user = User.objects.filter(pk=claim["user"], is_active=True).first()
    if user is None or claim.get("password") != _password_mark(user):
        raise BadRegistryToken("the account behind this token was blocked or changed its password")
    return Principal(user)


def next_key_token() -> str:
    """A token without rights, signed with the next key: does the registry know that one yet?"""
    return _sign(OWN_SUBJECT, [], {}, _key_ring().next).token


def _sign(
    subject: str, grants: Sequence[Grant], claim: Mapping[str, Any], key: "Key | None" = None
) -> RegistryToken:
    now = int(time.time())
    key = key or _key_ring().current
    claims = {
        "iss": settings.REGISTRY_TOKEN_ISSUER,
        "sub": subject,
        "aud": settings.SITE_HOST,  # 2.8 takes one string only, no list
        "exp": now + LIFETIME_SECONDS,
        "nbf": now - BACKDATED_SECONDS,
        "iat": now,
        "jti": uuid.uuid4().hex,
        "access": list(grants),
        CLAIM: claim,
    }
    token = jwt.encode(claims, key.private_key, algorithm=ALGORITHM, headers={"kid": key.id})
    return RegistryToken(token, datetime.fromtimestamp(now, UTC), LIFETIME_SECONDS)


def _password_mark(user: User) -> str:
    """Changes with the user's password."""
    return keyed_digest("registry token", user.password)[:16]


# --- Keys ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Key:
    id: str  # the libtrust fingerprint
    private_key: ec.EllipticCurvePrivateKey
    certificate: str  # PEM, self-signed: a container for the public key, nothing more
    retired_at: float | None = None  # when rotation replaced it (Unix time)

    @classmethod
    def generate(cls) -> Self:
        private_key = ec.generate_private_key(ec.SECP256R1())
        return cls(fingerprint(private_key.public_key()), private_key, _certificate(private_key))

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Self:
        private_key = load_pem_private_key(stored["private_key"].encode(), password=None)
        if not isinstance(private_key, ec.EllipticCurvePrivateKey):
            raise TypeError("a registry key must be an elliptic-curve key")
        key_id = fingerprint(private_key.public_key())
        return cls(key_id, private_key, stored["certificate"], stored["retired_at"])

    def stored(self) -> dict[str, Any]:
        pem = self.private_key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ).decode()
        return {
            "private_key": pem,
            "certificate": self.certificate,
            "retired_at": self.retired_at,
        }

    def is_in_use(self, now: float) -> bool:
        """Whether tokens that it signed may still be valid."""
        last_use = LIFETIME_SECONDS + LEEWAY_SECONDS
        return self.retired_at is None or now < self.retired_at + last_use

    def jwk(self) -> dict[str, str]:
        numbers = self.private_key.public_key().public_numbers()
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": _base64url(numbers.x.to_bytes(32, "big")),
            "y": _base64url(numbers.y.to_bytes(32, "big")),
            "kid": self.id,
            "alg": ALGORITHM,
            "use": "sig",
        }


@dataclass(frozen=True)
class KeyRing:
    """The key that signs, the one that will sign after it, and those that signed before."""

    current: Key
    next: Key
    previous: tuple[Key, ...] = ()

    @property
    def keys(self) -> tuple[Key, ...]:
        return (self.current, self.next, *self.previous)

    def find(self, key_id: object) -> Key:
        """The key with which a token may have been signed. Raises BadRegistryToken."""
        for key in self.keys:
            if key.id == key_id and key.is_in_use(time.time()):
                return key
        raise BadRegistryToken("signed with a key that isn't ours")

    def rotated(self) -> "KeyRing":
        now = time.time()
        retired = Key(self.current.id, self.current.private_key, self.current.certificate, now)
        kept = tuple(key for key in (retired, *self.previous) if key.is_in_use(now))
        return KeyRing(current=self.next, next=Key.generate(), previous=kept)


def rotate() -> KeyRing:
    """Sign with the next key from now on, and make a new next one. Never before the registry
    has read the file that holds it: it must have been restarted since the last rotation."""
    with _locked():
        ring = _load_or_create().rotated()
        _store(ring)
    return ring


def bundle_path() -> Path:
    """Certificates of all keys, for ``rootcertbundle``; made if it isn't there."""
    _ensure_public_files()
    return _directory() / "bundle.pem"


def jwks_path() -> Path:
    """All keys as a JWK set, for ``jwks`` of Distribution 3.x; made if it isn't there."""
    _ensure_public_files()
    return _directory() / "jwks.json"


def fingerprint(public_key: ec.EllipticCurvePublicKey) -> str:
    """The id that Distribution 2.8 gives a key: 48 characters in groups of four.

    Source: docker/libtrust, ``keyIDFromCryptoKey``: 240 bits of the SHA-256, in base32.
    """
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
    return ":".join(text[i : i + 4] for i in range(0, len(text), 4))


def _certificate(private_key: ec.EllipticCurvePrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Gantry registry tokens")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + CERTIFICATE_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private_key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode()


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


# --- The files ----------------------------------------------------------------------------

# What this process read last, and the state of the file then.
_read: tuple[tuple[object, ...], KeyRing] | None = None


def _directory() -> Path:
    return Path(settings.VAR_DIR) / "secrets" / "registry_keys"


def _keys_path() -> Path:
    return _directory() / "keys.json"


def _key_ring() -> KeyRing:
    """The keys now: a look at the file's state each time, so that a rotation is seen at once."""
    global _read
    state = _state_of_file()
    if state is None:
        with _locked():
            ring = _load_or_create()
            _read = None
            return ring
    if _read is None or _read[0] != state:
        # Should it be replaced in between, the state is an old one, and it is read again.
        _read = state, _load()
    return _read[1]


def _state_of_file() -> tuple[object, ...] | None:
    path = _keys_path()
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return str(path), status.st_ino, status.st_mtime_ns


def _load() -> KeyRing:
    stored = json.loads(_keys_path().read_text())
    current, following, *previous = (Key.load(key) for key in stored["keys"])
    return KeyRing(current, following, tuple(previous))


def _load_or_create() -> KeyRing:
    if not _keys_path().exists():
        _store(KeyRing(Key.generate(), Key.generate()))
    return _load()


def _store(ring: KeyRing) -> None:
    """Public keys first: no token is ever signed with a key that the files don't hold."""
    _write_public_files(ring)
    _replace(_keys_path(), json.dumps({"keys": [key.stored() for key in ring.keys]}, indent=1))


def _ensure_public_files() -> None:
    with _locked():
        ring = _load_or_create()
        if not all((_directory() / name).exists() for name in ["bundle.pem", "jwks.json"]):
            _write_public_files(ring)


def _write_public_files(ring: KeyRing) -> None:
    _replace(_directory() / "bundle.pem", "".join(key.certificate for key in ring.keys))
    jwks = {"keys": [key.jwk() for key in ring.keys]}
    _replace(_directory() / "jwks.json", json.dumps(jwks, indent=1) + "\n")


def _replace(path: Path, content: str) -> None:
    """Write ``path`` at once and whole, with mode 0600."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


@contextmanager
def _locked() -> Iterator[None]:
    """One process at a time makes or rotates keys."""
    private_dir(_directory().parent)
    with (private_dir(_directory()) / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
