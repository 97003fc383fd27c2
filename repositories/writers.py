"""Who may write to the registry at the same moment: clients, our own jobs, the garbage collector.

Each takes a lock of the database for as long as its transaction lasts, looks whether it may, and
leaves a row that says what it does (a pending write, a deletion's state, a collection). So two
that may not meet can't both have looked before the other's row was there.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from repositories.models import GarbageCollection

# The first number of PostgreSQL's advisory locks of this index: which kind of lock it is.
EVERYBODY, PATH, TAG, DELETIONS = 0x47414E01, 0x47414E02, 0x47414E03, 0x47414E04
# What holds a lock asks the registry something at most; a client of the gate doesn't wait longer.
GATE_WAITS_MS = 3000


class Closed(Exception):
    """The registry takes no writes: unused layers are being removed."""


def enter() -> None:
    """Before a job of ours changes the registry, in its transaction. Raises Closed."""
    _lock("pg_advisory_xact_lock_shared", EVERYBODY)
    if GarbageCollection.objects.running().exists():
        raise Closed


def enter_gate(path: str) -> None:
    """Before a client's write is announced. Raises OperationalError if ``path`` stays locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true), "
            "pg_advisory_xact_lock_shared(%s, 0), pg_advisory_xact_lock_shared(%s, hashtext(%s))",
            [f"{GATE_WAITS_MS}ms", EVERYBODY, PATH, path],
        )


def lock_path(path: str) -> None:
    """Nobody announces a write to ``path`` until this transaction ends."""
    _lock("pg_advisory_xact_lock", PATH, path)


def lock_tag(path: str, tag: str) -> None:
    """Nobody else looks whether ``tag`` may be written until this transaction ends."""
    _lock("pg_advisory_xact_lock", TAG, f"{path}:{tag}")


def wait_for_all() -> None:
    """Until everybody has left who entered before this: they have seen no collection running."""
    _lock("pg_advisory_xact_lock", EVERYBODY)


@contextmanager
def alone(kind: int) -> Iterator[bool]:
    """Whether nobody else is in here. Who is killed is out with his connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, 0)", [kind])
        is_alone = bool(cursor.fetchone()[0])
    try:
        yield is_alone
    finally:
        if is_alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, 0)", [kind])


def _lock(function: str, kind: int, name: str = "") -> None:
    with connection.cursor() as cursor:
        if name:
            cursor.execute(f"SELECT {function}(%s, hashtext(%s))", [kind, name])
        else:
            cursor.execute(f"SELECT {function}(%s, 0)", [kind])
