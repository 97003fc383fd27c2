"""Freeing space: the registry's own collector removes the blobs that no manifest needs.

It may not meet a write. A blob that was uploaded and that no manifest names yet would go, and
the registry, which remembers in memory what it has, would take the manifest that names it. So
the gate is shut first, then what is on its way is waited for, and afterwards the registry is
started again before the gate opens. Pulls go on all the time.

A process runs it and says every few seconds that it is alive. Should it die, so does the
collector; a worker starts the registry again, and opens the gate.

Source: Distribution 2.8.2, registry/storage/garbagecollect.go. Never with ``--delete-untagged``,
which takes the children of image indexes in 2.8.
"""

import logging
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from repositories import pending_writes, writers
from repositories.models import GarbageCollection, PendingWrite

logger = logging.getLogger(__name__)

# A process that has not said for so long that it is alive is dead.
ALIVE_FOR = timedelta(minutes=1)
# Where somebody else runs the collector, as we can't see whether it still does.
ALIVE_FOR_BY_HAND = timedelta(hours=6)
ASKED_EVERY_SECONDS = 5
# Manifests have at most 4 MiB: what has not come by then is cut off, or was refused.
PATIENCE_SECONDS = 60
# A layer that has not grown for so long is no upload that somebody waits for.
UPLOAD_IS_IDLE_AFTER_SECONDS = 5
# How long the front door tries to hand a request to a registry that starts again.
FRONT_DOOR_RETRIES_SECONDS = 9
RESTART_WITHIN_SECONDS = 30

_COMPLAINT = re.compile("fail|error")  # it may print its usage after that
_ELIGIBLE = re.compile(r"blob eligible for deletion: (?:sha256:)?([0-9a-f]{64})")


class CollectionFailed(Exception):
    """Nothing more is removed; the message says why."""


@dataclass(frozen=True)
class Garbage:
    """Blobs that no manifest needs, by their hash, with their sizes in bytes."""

    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        return sum(self.sizes.values())


@dataclass(frozen=True)
class Collector:
    """The registry's program, and where its blobs are."""

    program: Path
    configuration: Path
    storage: Path

    def find(self) -> Garbage:
        """What would be freed now. Changes nothing. Raises CollectionFailed."""
        return self._run("--dry-run", while_waiting=lambda: None)

    def remove(self, found: Garbage, while_waiting: Callable[[], None]) -> Garbage:
        """Remove what no manifest needs; what was freed of it. Raises CollectionFailed."""
        seen = self._run(while_waiting=while_waiting)
        sizes = found.sizes | {blob: size for blob, size in seen.sizes.items() if size}
        return Garbage(
            {blob: sizes.get(blob, 0) for blob in seen.sizes if not self._file(blob).exists()}
        )

    def _run(self, *options: str, while_waiting: Callable[[], None]) -> Garbage:
        # Should we be killed, it must not go on alone: the gate will open.
        command = ["setpriv", "--pdeathsig=KILL", str(self.program), "garbage-collect", *options]
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                [*command, str(self.configuration)], stdout=output, stderr=subprocess.STDOUT
            )
            try:
                while _is_running(process):
                    while_waiting()
            finally:
                process.kill()
                process.wait()
            output.seek(0)
            lines = output.read().splitlines()
        if process.returncode != 0:
            told = [line for line in lines if _COMPLAINT.search(line)] or lines
            raise CollectionFailed(f"the registry's garbage-collect failed: {' '.join(told[-1:])}")
        blobs = [match[1] for line in lines if (match := _ELIGIBLE.search(line))]
        return Garbage({blob: self._size(blob) for blob in blobs})

    def _file(self, blob: str) -> Path:
        return self.storage / "docker/registry/v2/blobs/sha256" / blob[:2] / blob / "data"

    def _size(self, blob: str) -> int:
        try:
            return self._file(blob).stat().st_size
        except OSError:
            return 0  # gone already

    def has_uploads(self) -> bool:
        """Whether a layer grows at this moment."""
        recently = time.time() - UPLOAD_IS_IDLE_AFTER_SECONDS
        repositories = self.storage / "docker/registry/v2/repositories"
        for depth in ["*", "*/*"]:
            # Read to the end: one that is left half-way keeps a folder open.
            for file in list(repositories.glob(f"{depth}/_uploads/*/data")):
                try:
                    if file.stat().st_mtime > recently:
                        return True
                except OSError:
                    continue  # it is complete
        return False


def _is_running(process: "subprocess.Popen[bytes]") -> bool:
    """Waits some seconds for its end."""
    try:
        process.wait(ASKED_EVERY_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def begin(*, alive_for: timedelta = ALIVE_FOR) -> GarbageCollection:
    """Shut the gate. Raises CollectionFailed if another collection runs."""
    try:
        with transaction.atomic():
            collection = GarbageCollection.objects.create(alive_until=timezone.now() + alive_for)
    except IntegrityError as error:
        raise CollectionFailed(
            "another collection runs. If it was killed, it is ended within two minutes."
        ) from error
    with transaction.atomic():
        writers.wait_for_all()
    return collection


def keep_alive(collection: GarbageCollection, *, alive_for: timedelta = ALIVE_FOR) -> None:
    """Raises CollectionFailed if a worker took us for dead, and opened the gate."""
    running = GarbageCollection.objects.running().filter(pk=collection.pk)
    if not running.update(alive_until=timezone.now() + alive_for):
        raise CollectionFailed("this process was taken for dead, and pushes go on.")


def wait_for_writes(
    collection: GarbageCollection, collector: Collector | None, say: Callable[[str], None]
) -> None:
    """Until nothing is on its way that passed the gate before it was shut.

    What is not seen after a while is cut off by starting the registry again; one that we can't
    start is waited for as long as a pending write lives. Raises CollectionFailed,
    RegistryUnavailable.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _is_busy(collector):
        keep_alive(collection)
        if collector is not None and time.monotonic() > deadline:
            say("cutting off what is still on its way")
            restart_registry()
            time.sleep(FRONT_DOOR_RETRIES_SECONDS)
            pending_writes.look_up_all()
            return
        time.sleep(1)


def _is_busy(collector: Collector | None) -> bool:
    pending_writes.look_up_all()
    return PendingWrite.objects.exists() or (collector is not None and collector.has_uploads())


def end(collection: GarbageCollection, *, freed: Garbage | None = None, problem: str = "") -> None:
    """Open the gate. The registry must have been started again since anything was removed."""
    blobs = freed or Garbage()
    count, size, problem = len(blobs.sizes), blobs.size_bytes, problem[:500]
    with transaction.atomic():
        running = GarbageCollection.objects.running().filter(pk=collection.pk)
        if running.update(
            ended_at=timezone.now(), blob_count=count, freed_bytes=size, problem=problem
        ):
            details = {"blobs": count, "bytes": size, "problem": problem}
            audit.record(None, "garbage.collected", "registry", collection=details)


def end_dead_collections() -> None:
    """Open the gate that a dead process has left shut. Raises CollectionFailed."""
    dead = GarbageCollection.objects.running().filter(alive_until__lt=timezone.now())
    for collection in dead:
        logger.warning("a garbage collection died: the registry starts again, then pushes go on")
        if not settings.REGISTRY_URL:
            restart_registry()
        end(collection, problem="the process that ran it was killed")


def restart_registry() -> None:
    """Start the embedded one again, so that it forgets what it remembers. Raises CollectionFailed.

    It finishes what it is doing for two seconds; the front door holds what comes meanwhile.
    """
    control = Path(sys.executable).parent / "supervisorctl"
    done = subprocess.run(
        [control, "-s", f"unix://{settings.RUN_DIR}/supervisor.sock", "restart", "index:registry"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or "started" not in done.stdout:
        raise CollectionFailed(f"the registry can't be restarted: {done.stdout}{done.stderr}")
    deadline = time.monotonic() + RESTART_WITHIN_SECONDS
    while not _answers():
        if time.monotonic() > deadline:
            raise CollectionFailed("the registry was restarted, and doesn't answer.")
        time.sleep(0.1)


def _answers() -> bool:
    transport = httpx.HTTPTransport(verify=False, uds=str(settings.REGISTRY_SOCKET))
    with httpx.Client(transport=transport, timeout=2, trust_env=False) as client:
        try:
            return client.get("http://registry/v2/").status_code == 401
        except httpx.HTTPError:
            return False
