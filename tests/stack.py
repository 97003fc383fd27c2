"""A whole index of this checkout, for tests: own port, own VAR_DIR, all its processes."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

import httpx

from portal.env import BASE_DIR
from tests.tools import PATH

READY_WITHIN_SECONDS = 120  # the first start compresses static files, beside other tests
STOPS_WITHIN_SECONDS = 8  # as promised to operators


class Stack:
    """Call ``start()`` before anything else, and ``stop()`` at the end; or use ``with``."""

    def __init__(self, folder: Path, *, command: list[str] | None = None, **settings: str) -> None:
        self.port = free_port()
        self.var_dir = folder / "var"
        self.host = f"localhost:{self.port}"
        self.url = f"http://{self.host}"
        self.output_file = folder / "output.txt"
        self.command = command or [sys.executable, "manage.py", "up"]
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of what was started: what an operator sends a signal to."""
        assert self._process is not None
        return self._process.pid

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": PATH,
            "HOME": str(self.var_dir.parent),
            "LANG": "C.UTF-8",
            "ENV_FILE": os.devnull,
            "PORT": str(self.port),
            "VAR_DIR": str(self.var_dir),
            **self.settings,
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *, is_waited_for: bool = True) -> None:
        if self._process is not None:
            self._process.wait(STOPS_WITHIN_SECONDS)  # a test has killed it
        with self.output_file.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                cwd=BASE_DIR,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if is_waited_for:
            self.wait_until_ready()

    def stop(self) -> None:
        """As an operator does: SIGTERM. Fails if that takes too long or leaves a process."""
        assert self._process is not None
        started_at = time.monotonic()
        self._process.terminate()
        try:
            self._process.wait(STOPS_WITHIN_SECONDS * 2)
        finally:
            left = self.processes()
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        assert time.monotonic() - started_at < STOPS_WITHIN_SECONDS, self.output()
        assert not left, left

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while not self.is_ready():
            assert self.is_running(), self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.1)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200
        except httpx.HTTPError:
            return False

    def manage(self, *arguments: str) -> str:
        """What ``manage.py`` prints, called from another shell while the index runs."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pids(self, name: str) -> list[int]:
        """The processes of this index whose command line contains ``name``: "granian", …"""
        return [pid for pid, command in self.processes().items() if name in command]

    def processes(self) -> dict[int, str]:
        """All processes of this index, by id, with their command lines."""
        mark = f"GANTRY_INDEX={self.var_dir}".encode()
        found = {}
        for folder in Path("/proc").iterdir():
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                # PostgreSQL writes its state where its environment was.
                is_postgres = f" -D {self.var_dir}/" in command
                environment = (folder / "environ").read_bytes().split(b"\0")
            except (OSError, ValueError):
                continue
            if folder.name.isdecimal() and (is_postgres or mark in environment):
                found[int(folder.name)] = command
        return found

    def output(self) -> str:
        return self.output_file.read_text(errors="replace")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def new_folder() -> Path:
    """Short, since Unix sockets are below it."""
    return Path(tempfile.mkdtemp(prefix="gantry-"))
