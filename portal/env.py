"""What the environment says: typed readers, and secrets that are made once.

Everything that an operator may set is read here or in settings.py, and listed in
docs/settings.md. A value that can't be right stops the start with ``BadSetting``.
"""

import hashlib
import ipaddress
import os
import re
import secrets
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

# A Unix socket's address may have 107 bytes (unix(7), sun_path); the longest name that we put
# into the directory is PostgreSQL's lock file, ".s.PGSQL.5432.lock".
MAX_SOCKET_DIR_LENGTH = 107 - len("/.s.PGSQL.5432.lock")

# As it goes into links, headers and configurations: the letters of a host, and no others.
HTTP_ADDRESS = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?")

env = environ.Env()


class BadSetting(ImproperlyConfigured):
    """A setting has a value that can't work; the message says which, and what would."""


def read_env_file() -> None:
    """Take what `.env` says, where the environment itself doesn't say it already."""
    environ.Env.read_env(os.environ.get("ENV_FILE", BASE_DIR / ".env"))


def read_port(name: str, default: int) -> int:
    value = env.str(name, default="") or str(default)
    if not value.isdecimal() or not 1 <= int(value) <= 65535:
        raise BadSetting(f"{name}={value!r} is not a port: give a number from 1 to 65535.")
    return int(value)


def read_optional_port(name: str) -> int | None:
    """None if it isn't set."""
    return read_port(name, 0) if env.str(name, default="") else None


def read_file_path(name: str) -> Path | None:
    """As the checkout sees it, if it isn't absolute; None if it isn't set."""
    value: str = env.str(name, default="")
    return BASE_DIR / Path(value).expanduser() if value else None


def read_positive(name: str, default: int) -> int:
    value = env.str(name, default="") or str(default)
    if not value.isdecimal() or int(value) < 1:
        raise BadSetting(f"{name}={value!r} is not a number: give 1 or more.")
    return int(value)


def read_bool(name: str, *, default: bool) -> bool:
    value = (env.str(name, default="") or str(default)).lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise BadSetting(f"{name}={value!r} is neither true nor false.")


def read_choice(name: str, choices: list[str]) -> str:
    """One of ``choices``; the first is the default."""
    value = env.str(name, default="") or choices[0]
    if value not in choices:
        raise BadSetting(f"{name}={value!r} is not known: give one of {', '.join(choices)}.")
    return value


def read_list(name: str) -> list[str]:
    """Parts separated by commas or spaces."""
    text: str = env.str(name, default="")
    return text.replace(",", " ").split()


def read_networks(name: str) -> list[str]:
    """IP addresses and networks, each as a network."""
    try:
        return [str(ipaddress.ip_network(part, strict=False)) for part in read_list(name)]
    except ValueError as error:
        raise BadSetting(f"{name}: {error}. Give addresses and networks: 10.0.0.0/8.") from error


def read_host_and_port(name: str) -> tuple[str, int] | None:
    """``host:port``; None if it isn't set."""
    value: str = env.str(name, default="")
    if not value:
        return None
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise BadSetting(f"{name}={value!r} is not HOST:PORT: give it like 10.0.0.5:8081.")
    return host, int(port)


def read_site_url(port: int) -> str:
    """Where people and clients reach the index: scheme and host, no path."""
    return read_http_address("SITE_URL") or f"http://localhost:{port}"


def read_http_address(name: str) -> str:
    """Scheme, host and perhaps a port, without a path; empty if it isn't set."""
    value: str = env.str(name, default="").lower().rstrip("/")
    if value and not HTTP_ADDRESS.fullmatch(value):
        raise BadSetting(
            f"{name}={value!r} is not an address: give it like https://hub.example.com, "
            "without a path."
        )
    # A browser leaves the port of the scheme away, and what it sends is compared.
    return value.removesuffix(":443" if value.startswith("https:") else ":80")


def read_time_zone(name: str) -> str:
    value: str = env.str(name, default="") or "UTC"
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError) as error:
        raise BadSetting(
            f"{name}={value!r} is not a time zone: give it like Asia/Tokyo."
        ) from error
    return value


def read_database(url: str) -> dict[str, Any]:
    """Django's connection settings for DATABASE_URL."""
    if not url.startswith(("postgres://", "postgresql://")):
        raise BadSetting("DATABASE_URL must be a PostgreSQL address: postgres://user:pw@host/db")
    try:
        config: dict[str, Any] = env.db_url_config(url)
    except ValueError as error:  # a port that is none
        raise BadSetting(
            f"DATABASE_URL can't be read ({error}): postgres://user:pw@host/db"
        ) from error
    # libpq's way to name a Unix socket: postgres://user@%2Frun%2Fpostgresql/db
    config["HOST"] = unquote(config.get("HOST") or "")
    # A host that doesn't answer must not hold a worker of the portal for minutes.
    return {**config, "OPTIONS": {"connect_timeout": 5, **config.get("OPTIONS", {})}}


def read_cache(url: str) -> dict[str, Any]:
    """Django's settings for CACHE_URL. Only a server that all portals share is a cache here."""
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise BadSetting("CACHE_URL must be a Redis address: redis://cache.example.com:6379/0")
    if find_spec("redis") is None:
        raise BadSetting("CACHE_URL needs one more package: .venv/bin/pip install redis")
    return {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}


def read_var_dir() -> Path:
    value = env.str("VAR_DIR", default="") or "var"
    return (BASE_DIR / Path(value).expanduser()).resolve()


def socket_dir(var_dir: Path, name: str) -> Path:
    """Where a process puts its Unix sockets: under ``var_dir``, unless that is too long.

    The name in the temporary directory is made from ``var_dir``, so that each shell of the
    same copy finds the same place, and two copies never share one. Who makes it checks that
    it is his (see ``private_dir``).
    """
    directory = var_dir / name
    if len(os.fsencode(directory)) <= MAX_SOCKET_DIR_LENGTH:
        return directory
    fingerprint = hashlib.sha256(os.fsencode(var_dir)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"gantry-{fingerprint}-{name}"


def private_dir(path: Path, *, mode: int = 0o700) -> Path:
    """Make ``path`` ours, with ``mode``. Raises BadSetting if it belongs to somebody else."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(
            f"{path} can't be made ({error.strerror}): set VAR_DIR to a folder that you may write."
        ) from error
    status = path.lstat()
    if status.st_uid not in {os.geteuid(), 0} or path.is_symlink():
        raise BadSetting(f"{path} belongs to somebody else: remove it, or set another VAR_DIR.")
    if status.st_uid == os.geteuid():
        path.chmod(mode)
    return path


def generated_secret(var_dir: Path, name: str) -> str:
    """The secret in ``VAR_DIR/secrets/<name>``, made at the first call: 64 hex digits."""
    path = var_dir / "secrets" / name
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return write_once(path, secrets.token_hex(32)).strip()


def write_once(path: Path, content: str) -> str:
    """Write a secret file of mode 0600 unless there is one; what it holds now.

    Several processes may start at once: the first to put its file in place wins.
    """
    private_dir(path.parent)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # made with mode 0600
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass  # somebody else was first: his counts
    finally:
        os.unlink(temporary)
    return path.read_text()
