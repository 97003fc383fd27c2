"""POST /hooks/registry: the registry reports what happened in it.

It sends an event again, for ever and before all later ones, until it is answered with a 2xx. So
everything that has the secret is answered with one, understood or not; only when the database
is away is it asked to come again.

Source: Distribution 2.8.2 and 3.1, notifications/{event,sinks}.go.
"""

import ipaddress
import json
import logging
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from procrastinate.exceptions import ConnectorException

from accounts.names import MAX_LENGTH as MAX_USERNAME_LENGTH
from repositories.images import text
from repositories.models import RegistryEvent
from repositories.names import is_digest, is_tag, split_path, without_library
from repositories.notifications import Event, record_delete, record_push
from repositories.pulls import record_pull
from repositories.registry_tokens import OWN_SUBJECT

logger = logging.getLogger(__name__)

# A manifest of 4 MiB may refer to some 40,000 others, and an event lists them, indented.
MAX_BODY_BYTES = 16 * 1024 * 1024
BLOB = "application/octet-stream"
DATABASE_AWAY = (OperationalError, InterfaceError, ConnectorException)
Action = RegistryEvent.Action
RECORD = {Action.PUSH: record_push, Action.PULL: record_pull, Action.DELETE: record_delete}


class NotUnderstood(ValueError):
    """An event that isn't written as the registry writes them."""


@csrf_exempt
@require_POST
def registry(request: HttpRequest) -> HttpResponse:
    expected = f"Bearer {settings.REGISTRY_HOOK_SECRET}"
    if not constant_time_compare(request.headers.get("Authorization", ""), expected):
        return HttpResponse(status=401)
    # Not request.body: a body over Django's limit would be answered with 400, and come again.
    body = request.read(MAX_BODY_BYTES + 1)
    try:
        _record(_events_in(body))
    except DATABASE_AWAY:
        logger.exception("the database is away: the registry will report again")
        return HttpResponse(status=503)
    return HttpResponse(status=204)


def parse_event(event: object) -> tuple[RegistryEvent.Action, Event] | None:
    """One event of the registry; None if it is of no interest here. Raises NotUnderstood."""
    if not isinstance(event, dict):
        raise NotUnderstood("not an object")
    if event.get("action") == "mount":
        return None  # of a blob into another repository
    try:
        action = Action(str(event.get("action")))
        event_id = UUID(event.get("id"))
        at = datetime.fromisoformat(event["timestamp"])
        at = at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise NotUnderstood(str(error)) from error
    target, actor, request = (_object(event, key) for key in ["target", "actor", "request"])
    if target.get("mediaType") == BLOB or actor.get("name") == OWN_SUBJECT:
        return None
    path = without_library(_text(target, "repository", 255))
    digest, tag = _text(target, "digest", 140), _text(target, "tag", 200)
    if split_path(path) is None:
        raise NotUnderstood(f"{path!r} is not a repository of this index")
    if (digest and not is_digest(digest)) or (tag and not is_tag(tag)):
        raise NotUnderstood("digest or tag is not well formed")
    if not digest and (not tag or action != Action.DELETE):
        raise NotUnderstood("no digest")
    return action, Event(
        path=path,
        at=at,
        digest=digest,
        tag=tag,
        id=event_id,
        actor=_text(actor, "name", MAX_USERNAME_LENGTH),
        address=_without_port(_text(request, "addr", 64)),
        client=_text(request, "useragent", 200),
    )


def _events_in(body: bytes) -> list[tuple[RegistryEvent.Action, Event]]:
    """The events that are understood; the others are logged."""
    if len(body) > MAX_BODY_BYTES:
        logger.warning("ignored: a notification of more than %d bytes", MAX_BODY_BYTES)
        return []
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError) as error:
        logger.warning("ignored: a notification that is not JSON: %s", error)
        return []
    events = envelope.get("events") if isinstance(envelope, dict) else None
    if not isinstance(events, list):
        logger.warning("ignored: a notification without events")
        return []
    understood = []
    for event in events:
        try:
            parsed = parse_event(event)
        except NotUnderstood as error:
            logger.warning("ignored: an event of the registry: %s", error)
            continue
        if parsed is not None:
            understood.append(parsed)
    return understood


def _record(events: list[tuple[RegistryEvent.Action, Event]]) -> None:
    """Record each event for itself. Raises one of DATABASE_AWAY."""
    for action, event in events:
        try:
            RECORD[action](event)
        except DATABASE_AWAY:
            raise
        except Exception:
            # Whatever is wrong with it: answered with an error, it would keep all others out.
            logger.exception("could not record %s of %s", action, event.path)


def _object(event: dict[str, Any], key: str) -> dict[str, Any]:
    value = event.get(key)
    return value if isinstance(value, dict) else {}


def _text(values: dict[str, Any], key: str, limit: int) -> str:
    """Empty if it is missing: 3.x writes empty strings where 2.8 leaves out the field."""
    return text(values.get(key), limit)


def _without_port(address: str) -> str:
    """The registry gives the peer's port too where no front door named the client."""
    host = address.rpartition(":")[0].strip("[]")
    for candidate in [address, host]:
        try:
            return str(ipaddress.ip_address(candidate))
        except ValueError:
            continue
    return ""
