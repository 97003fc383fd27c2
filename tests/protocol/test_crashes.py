"""Each process is killed in turn while pushes go on: it comes back, and nothing is lost."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.oci import Layout
from tests.protocol.clients import wait_for

pytestmark = pytest.mark.clients

COMES_BACK_WITHIN = 45  # seconds, as promised to operators
SHOWN_WITHIN = 30  # seconds after the push was accepted

KILLED = {
    "portal": "granian",
    "worker": "procrastinate",
    "registry": "docker-registry",
    "front door": "caddy",
    "database": "postgres",
}


class Pusher(threading.Thread):
    """Pushes one small image after the other until told to stop; remembers what was accepted."""

    def __init__(self, index, person, folder: Path) -> None:
        super().__init__()
        self.target = f"docker://{index.host}/{person.name}/pushed"
        self.credentials = f"{person.name}:{person.token}"
        self.folder = folder
        self.stopping = threading.Event()
        self.accepted: dict[str, str] = {}  # tag → digest
        self.last_accepted_at = 0.0

    def run(self) -> None:
        for number in range(10_000):
            if self.stopping.is_set():
                return
            layout = Layout(self.folder / str(number))
            digest = layout.image("x", files={"hello": os.urandom(50_000)})["digest"]
            tag = f"t{number % 7}-{number}" if number % 2 else "moving"
            command = ["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false"]
            command += ["--dest-creds", self.credentials, layout.reference("x")]
            done = subprocess.run(
                [*command, f"{self.target}:{tag}"], capture_output=True, timeout=60, check=False
            )
            if done.returncode == 0:
                self.accepted[tag] = digest
                self.last_accepted_at = time.monotonic()


@pytest.mark.parametrize("victim", KILLED)
def test_killed_in_the_middle_of_pushes(index, inside, alice_there, tmp_path, victim):
    pusher = Pusher(index, alice_there, tmp_path)
    pusher.start()
    try:
        wait_for(lambda: len(pusher.accepted) >= 3, "the first pushes")
        old = index.pids(KILLED[victim])
        assert old, f"no process {KILLED[victim]}"
        killed_at = time.monotonic()
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: set(index.pids(KILLED[victim])) - set(old), "a new process", 45)
        wait_for(
            lambda: index.is_ready() and pusher.last_accepted_at > killed_at + 1,
            "pushes are accepted again",
            COMES_BACK_WITHIN,
        )
    finally:
        pusher.stopping.set()
        pusher.join()

    tags = f"Repository.objects.at('{alice_there.name}/pushed').get().tags"
    expression = f"dict({tags}.values_list('name', 'manifest__digest'))"

    def shown() -> bool:
        tags = inside(expression)
        return {tag: tags.get(tag) for tag in pusher.accepted} == pusher.accepted

    wait_for(shown, "all that was accepted", SHOWN_WITHIN)
