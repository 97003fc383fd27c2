"""What `make up` does before supervisord takes over: each step is said in a line.

Everything that may fail fails here, with a sentence that says what to do, and not in a process
that supervisord would start again for ever.
"""

import datetime
import errno
import fcntl
import hashlib
import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from accounts import first_staff
from portal import postgres, registry_binary, tls, translations
from portal.console import say
from portal.env import BadSetting, private_dir
from repositories import registry_config, registry_tokens

# Each process of an index carries this variable with its VAR_DIR: so leftovers are found.
MARK = "GANTRY_INDEX"
# supervisord closes what it inherits from 5 on, and its children from 3 on (supervisor 4.3,
# options.py, cleanup_fds; process.py, _prepare_child_fds): the lock is held by it alone.
LOCK_DESCRIPTOR = 3
HTTP_DEFAULT_PORT = 80
LEFTOVERS_END_WITHIN_SECONDS = 6
OLDEST_POSTGRESQL = 15
# Static files of packages that no page uses: compressing them would take half a minute.
UNUSED_STATIC_FILES = [
    "bootstrap-icons",  # pages have them inline: {% icon %}
    "*.rtl.*",
    "bootstrap-grid.*",
    "bootstrap-reboot.*",
    "bootstrap-utilities.*",
    "bootstrap.esm.*",
    "bootstrap.css*",  # pages use the .min.css and .min.js
    "bootstrap.js*",
    "bootstrap.bundle.js*",
    "rest_framework",  # the API speaks JSON alone
]


class CannotStart(Exception):
    """The index can't be started; the message says why, and what to do."""


def run() -> None:
    """Prepare everything, then become supervisord. Raises CannotStart."""
    try:
        say(f"{settings.SITE_URL}, data in {settings.VAR_DIR}")
        lock = take_lock(settings.VAR_DIR)
        end_leftovers(settings.VAR_DIR)
        check_port_is_free(settings.PORT)
        redirect_port = choose_redirect_port()
        private_dir(settings.RUN_DIR)
        prepare_tls()
        program = find_registry()
        collect_static()
        translations.compile_all(settings.LOCALE_PATHS[0])
        with database():
            prepare_database()
            write_private(settings.RUN_DIR / "welcome.txt", welcome())
        environment = environment_of_processes(program, redirect_port)
    except (BadSetting, postgres.PostgresFailed, registry_binary.NoRegistry) as error:
        raise CannotStart(str(error)) from error
    except OSError as error:
        raise CannotStart(
            f"{error}. Is {settings.VAR_DIR} writable, and the disk not full?"
        ) from error
    say("starting portal, worker, registry, front door and database")
    os.dup2(lock, LOCK_DESCRIPTOR)
    os.set_inheritable(LOCK_DESCRIPTOR, True)  # dup2 leaves that as it is if both are the same
    os.chdir(settings.BASE_DIR)
    supervisord = str(Path(sys.executable).parent / "supervisord")
    arguments = [supervisord, "-n", "-c", str(settings.BASE_DIR / "supervisord.conf")]
    os.execve(supervisord, arguments, os.environ | environment)  # noqa: S606 (our own)


def take_lock(var_dir: Path) -> int:
    """A descriptor that holds VAR_DIR for one index, until its process ends."""
    private_dir(var_dir, mode=0o711)
    descriptor = os.open(var_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CannotStart(
            f"another index runs on {var_dir} already: stop it, or set another VAR_DIR and PORT."
        ) from error
    return descriptor


def end_leftovers(var_dir: Path) -> None:
    """End what a killed `make up` of the same VAR_DIR has left running."""
    deadline = time.monotonic() + LEFTOVERS_END_WITHIN_SECONDS
    told: set[int] = set()
    while leftovers := set(_leftovers(var_dir)):
        if not told:
            say("ending what an earlier run has left behind")
        is_late = time.monotonic() > deadline
        for pid in leftovers if is_late else leftovers - told:
            _signal(pid, signal.SIGKILL if is_late else signal.SIGTERM)
        server = postgres.running_pid(var_dir)
        if server is not None and server in leftovers - told:
            _signal(server, signal.SIGINT)  # SIGTERM would wait for its clients
        told |= leftovers
        time.sleep(0.05)


def _leftovers(var_dir: Path) -> Iterator[int]:
    mark = os.fsencode(f"{MARK}={var_dir}")
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)
        except OSError:
            continue  # it has ended, or is somebody else's
    server = postgres.running_pid(var_dir)
    if server is not None:
        yield server  # PostgreSQL writes its state where its environment was


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def check_port_is_free(port: int, name: str = "PORT") -> None:
    for family, address in [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]:  # noqa: S104
        try:
            with socket.socket(family) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind((address, port))
                listener.listen()
        except PermissionError as error:
            raise CannotStart(
                f"{name}={port} is for root alone: set a {name} from 1024 on, or start as root."
            ) from error
        except OSError as error:
            if family == socket.AF_INET6 and error.errno != errno.EADDRINUSE:
                continue  # a machine without IPv6
            raise CannotStart(
                f"{name}={port} is used by another program: stop that, or set another {name}."
            ) from error


def choose_redirect_port() -> int | None:
    """Where plain HTTP is led to https; None if nowhere."""
    if settings.HTTP_PORT is not None:
        check_port_is_free(settings.HTTP_PORT, "HTTP_PORT")
        return int(settings.HTTP_PORT)
    if not settings.TLS.is_spoken or settings.PORT != tls.HTTPS_PORT:
        return None
    try:
        check_port_is_free(HTTP_DEFAULT_PORT, "HTTP_PORT")
    except CannotStart:  # nobody asked for it, and https works without
        say(f"port {HTTP_DEFAULT_PORT} is taken: http:// will not lead to {settings.SITE_URL}")
        return None
    return HTTP_DEFAULT_PORT


def prepare_tls() -> None:
    """The files that the front door needs to speak TLS are there, and fit."""
    now = datetime.datetime.now(datetime.UTC)
    if settings.TLS_CERT and settings.TLS_KEY:
        host = settings.TLS_AUTHORITY.host
        tls.check_certificate(settings.TLS_CERT, settings.TLS_KEY, host, now)
    if settings.TLS == tls.Tls.INTERNAL:
        settings.TLS_AUTHORITY.make(now)


def find_registry() -> Path | None:
    """The registry's program; None if REGISTRY_URL says that one runs elsewhere."""
    if settings.REGISTRY_URL:
        return None
    program = registry_binary.find_or_fetch(settings.VAR_DIR, settings.REGISTRY_BIN)
    say(f"registry: {program}")
    return program


def collect_static() -> None:
    """Copy, name and compress static files, unless nothing has changed since the last time."""
    fingerprint = _static_fingerprint()
    stamp = settings.VAR_DIR / "static.stamp"
    if stamp.exists() and stamp.read_text() == fingerprint:
        return
    say("static files")
    patterns = UNUSED_STATIC_FILES
    call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=patterns)
    stamp.write_text(fingerprint)


def _static_fingerprint() -> str:
    digest = hashlib.sha256(repr(UNUSED_STATIC_FILES).encode())
    for finder in get_finders():
        for path, storage in finder.list(UNUSED_STATIC_FILES):
            status = os.stat(storage.path(path))
            digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


@contextmanager
def database() -> Iterator[None]:
    """The database answers meanwhile: the embedded one is started for a moment."""
    if settings.DATABASE_URL:
        yield
        return
    say("database")
    server = postgres.start(settings.VAR_DIR)
    try:
        yield
    finally:
        connection.close()
        postgres.stop(server)


def prepare_database() -> None:
    try:
        connection.ensure_connection()
    except OperationalError as error:
        raise CannotStart(f"the database of DATABASE_URL doesn't answer: {error}") from error
    version = connection.pg_version // 10000  # type: ignore[attr-defined]
    if version < OLDEST_POSTGRESQL:
        raise CannotStart(
            f"PostgreSQL {version} is too old: DATABASE_URL must name one of version "
            f"{OLDEST_POSTGRESQL} or newer."
        )
    executor = MigrationExecutor(connection)
    if waiting := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        say(f"migrations: {len(waiting)}")
        call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)


def welcome() -> str:
    """What people need to know, and the three next steps."""
    site = settings.SITE_URL
    host = settings.SITE_HOST
    if link := first_staff.link():
        first = f"Make the first staff account (the link works once):\n       {link}"
    elif settings.REGISTRATION == "open":
        first = f"Sign up, or log in:  {site}/account/signup/"
    else:
        first = f"Log in:  {site}/account/login/"
    return f"""
  Gantry runs at {site}

    1. {first}
    2. Make an access token at {site}/account/tokens, and log in with it:
       docker login {host}
    3. Push an image into your namespace:
       docker tag IMAGE {host}/YOUR-NAME/IMAGE && docker push {host}/YOUR-NAME/IMAGE
{how_to_trust()}"""


def how_to_trust() -> str:
    """What clients need before they believe our own authority; empty if that isn't in use."""
    if settings.TLS != tls.Tls.INTERNAL:
        return ""
    host = settings.SITE_HOST
    authority = settings.TLS_AUTHORITY
    return f"""
  This index certifies itself. Each machine that uses it must trust it first: as root,
       mkdir -p /etc/docker/certs.d/{host}
       curl -k -o /etc/docker/certs.d/{host}/ca.crt {settings.SITE_URL}/ca.crt
  That is for docker and podman; for all else see {settings.SITE_URL}/help/certificate
  Compare the fingerprint (openssl x509 -noout -sha256 -fingerprint -in ca.crt):
       {authority.fingerprint}
"""


def environment_of_processes(
    registry_program: Path | None, redirect_port: int | None = None
) -> dict[str, str]:
    """What supervisord.conf, the Caddyfile and the processes find in their environment.

    Writes the registry's configuration on the way, since both name the port of its hook.
    """
    registry_config.choose_hook_port()
    hook_host, hook_port = registry_config.hook_address()
    if registry_program is not None:
        version = registry_binary.version_of(registry_program)
        registry = registry_config.settings_of(version)
        registry.storage.mkdir(exist_ok=True, mode=0o700)
        write_private(settings.RUN_DIR / "registry.yml", registry_config.render(registry))
    else:
        registry_tokens.bundle_path()
    site = urlsplit(settings.SITE_URL)
    speaks_tls = settings.TLS.is_spoken
    has_postgres = not settings.DATABASE_URL
    variables = {
        "BIN": str(Path(sys.executable).parent),
        "RUN_DIR": str(settings.RUN_DIR),
        "PORTAL_SOCKET": str(settings.PORTAL_SOCKET),
        "PORTAL_WORKERS": str(settings.PORTAL_WORKERS),
        "HAS_POSTGRES": str(has_postgres).lower(),
        "POSTGRES": shlex.join(
            postgres.server_command(settings.VAR_DIR) if has_postgres else ["false"]
        ),
        "HAS_REGISTRY": str(registry_program is not None).lower(),
        "REGISTRY_BIN": str(registry_program or "false"),
        "REGISTRY_UPSTREAM": settings.REGISTRY_URL or f"unix/{settings.REGISTRY_SOCKET}",
        "FRONT_DOOR": front_door_address(),
        "FRONT_DOOR_URL": settings.FRONT_DOOR_URL,
        "PORT": str(settings.PORT),
        "AUTO_HTTPS": "disable_redirects" if speaks_tls else "off",
        "REDIRECT": "off" if redirect_port is None else "on",
        "REDIRECT_PORT": str(redirect_port or HTTP_DEFAULT_PORT),
        **tls_variables(),
        "PROTOCOLS": "h1 h2" if speaks_tls else "h1",
        "CADDY_DIR": str(settings.VAR_DIR / "caddy"),
        "TRUSTED_PROXIES": " ".join(settings.TRUSTED_PROXIES),
        "SITE_SCHEME": site.scheme,
        "SITE_HOST": settings.SITE_HOST,
        "SITE_NAME": site.hostname or "",
        "SITE_URL": settings.SITE_URL,
        "HOOK_HOST": hook_host,
        "HOOK_PORT": str(hook_port),
    }
    return {
        MARK: str(settings.VAR_DIR),
        "PYTHONPATH": str(settings.BASE_DIR),
        "PYTHONUNBUFFERED": "1",
        "OTEL_TRACES_EXPORTER": "none",  # Distribution 3 would send traces to localhost
        **{f"GANTRY_{name}": value for name, value in variables.items()},
    }


def front_door_address() -> str:
    """What the front door listens for. Where it speaks TLS, it has a certificate for one name."""
    if not settings.TLS.is_spoken:
        return f"http://:{settings.PORT}"
    host = urlsplit(settings.SITE_URL).hostname or ""
    return f"https://{f'[{host}]' if ':' in host else host}:{settings.PORT}"


def tls_variables() -> dict[str, str]:
    authority = settings.TLS_AUTHORITY
    is_internal = settings.TLS == tls.Tls.INTERNAL
    return {
        "TLS": settings.TLS,
        "TLS_CERT": str(authority.certificate_file if is_internal else settings.TLS_CERT or ""),
        "TLS_KEY": str(authority.key_file if is_internal else settings.TLS_KEY or ""),
        "TLS_AUTHORITY": authority.id if is_internal else "",
    }


def write_private(path: Path, content: str) -> None:
    """Write a file that holds secrets, whole or not at all."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    part.rename(path)
