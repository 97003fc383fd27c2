"""Whether all parts of the index answer, for /readyz.

The front door is asked for ``/v2/``, which the registry answers: were it a page of the portal,
all workers could wait here for each other.
"""

from functools import cache
from pathlib import Path

import httpx
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

TIMEOUT_SECONDS = 2  # for each part: a worker of the portal waits for it


def checks() -> dict[str, bool]:
    return {
        "database": database_answers(),
        "migrations": migrations_are_done(),
        "registry": registry_answers(),
        "front door": _answers(settings.FRONT_DOOR_URL, host=settings.SITE_HOST),
    }


def database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False
    return True


def migrations_are_done() -> bool:
    try:
        applied = MigrationRecorder(connection).applied_migrations()
    except Error:
        return False
    return _known_migrations() <= set(applied)


def registry_answers() -> bool:
    if settings.REGISTRY_URL:
        return _answers(settings.REGISTRY_URL)
    return _answers("http://registry", socket=settings.REGISTRY_SOCKET)


@cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    """Those in the code of this process, which doesn't change."""
    return frozenset(MigrationLoader(None).disk_migrations or {})


def _answers(address: str, *, socket: Path | None = None, host: str = "") -> bool:
    """Whether a registry answers there: 200, or 401 for who has no token."""
    # The front door's certificate is for its name, and it is asked by its address.
    transport = httpx.HTTPTransport(
        uds=str(socket) if socket else None, verify=not (socket or host)
    )
    headers = {"Host": host} if host else {}
    try:
        with httpx.Client(transport=transport, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            return client.get(f"{address}/v2/", headers=headers).status_code in {200, 401}
    except httpx.HTTPError:
        return False
