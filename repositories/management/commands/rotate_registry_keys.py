"""Replaces the key that signs registry tokens, without a pull that fails."""

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from repositories import registry_tokens

TIMEOUT_SECONDS = 5


class Command(BaseCommand):
    help = (
        "Signs registry tokens with the next key from now on, which the registry knows already, "
        "and makes a new next one, which the registry reads when it is started again."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--force",
            action="store_true",
            help="Don't ask the registry whether it knows the next key. If it doesn't, "
            "pulls and pushes fail until it is restarted.",
        )

    def handle(self, *args: object, **options: object) -> None:
        if not options["force"]:
            _check_that_registry_knows_next_key()
        ring = registry_tokens.rotate()
        self.stdout.write(
            f"Registry tokens are signed with the key {ring.current.id} from now on; "
            "pulls and pushes go on.\n"
            f"The next key is {ring.next.id}: restart the registry before the next rotation, "
            f"so that it knows it.\n{_how_to_restart()}"
        )


def _check_that_registry_knows_next_key() -> None:
    """Raise CommandError unless a token signed with the next key is good there already."""
    if not settings.REGISTRY_URL and not settings.REGISTRY_SOCKET.exists():
        return  # the embedded one doesn't run, and reads all keys when it is started
    try:
        status = _ask_registry(registry_tokens.next_key_token())
    except httpx.HTTPError as error:
        if not settings.REGISTRY_URL and isinstance(error, httpx.ConnectError):
            return  # it was killed, and left its socket
        raise CommandError(
            f"The registry doesn't answer ({error}), so nobody knows which keys it has read. "
            "Start it; or, if it is stopped, repeat this with --force."
        ) from error
    if status != 200:
        raise CommandError(
            "Nothing was changed: the registry doesn't know the next key yet, since it was not "
            f"restarted after the last rotation. Restart it, then repeat this.\n{_how_to_restart()}"
        )


def _ask_registry(token: str) -> int:
    url = settings.REGISTRY_URL
    transport = None if url else httpx.HTTPTransport(uds=str(settings.REGISTRY_SOCKET))
    with httpx.Client(transport=transport, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        headers = {"Authorization": f"Bearer {token}"}
        return client.get(f"{url or 'http://registry'}/v2/", headers=headers).status_code


def _how_to_restart() -> str:
    if settings.REGISTRY_URL:
        return (
            f"Each replica reads {registry_tokens.bundle_path()} (Distribution 2.8) or "
            f"{registry_tokens.jwks_path()} (3.x) when it starts: copy the file to where they "
            "read it, if that is elsewhere, and restart them one after the other."
        )
    return (
        "Under `make up`: .venv/bin/supervisorctl "
        f"-s unix://{settings.RUN_DIR}/supervisor.sock restart index:registry"
    )
