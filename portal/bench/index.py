"""An index of its own to measure, and a registry without one to compare it with."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import yaml
from django.conf import settings

from portal.env import BASE_DIR, socket_dir

READY_WITHIN_SECONDS = 120  # the first start compresses static files
STOPS_WITHIN_SECONDS = 10
USERNAME = "bench"


class CannotMeasure(Exception):
    """Something that measuring needs isn't there, or failed; the message says what."""


@dataclass(frozen=True)
class Index:
    """One that runs, filled with the demo, and somebody who may push to it."""

    url: str
    var_dir: Path
    process: subprocess.Popen[bytes]
    password: str
    access_token: str

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def memory_megabytes(self) -> float:
        """What all its processes have for themselves, and their share of what they share."""
        process = psutil.Process(self.process.pid)
        family = [process, *process.children(recursive=True)]
        return float(sum(member.memory_full_info().pss for member in family)) / 1e6


@contextmanager
def running_index(folder: Path) -> Iterator[Index]:
    """Start an index in ``folder``, and stop it at the end. Raises CannotMeasure."""
    port, var_dir, password = free_port(), folder / "var", secrets.token_urlsafe()
    url = f"http://localhost:{port}"
    environment = {
        **{name: os.environ[name] for name in ["PATH", "HOME", "LANG"] if name in os.environ},
        # Neither what the operator has set for his index, nor what stands in its .env.
        "ENV_FILE": os.devnull,
        "PORT": str(port),
        "VAR_DIR": str(var_dir),
        "REGISTRY_BIN": settings.REGISTRY_BIN,
        "PORTAL_WORKERS": str(settings.PORTAL_WORKERS),
        "DJANGO_SUPERUSER_PASSWORD": password,
    }
    log = folder / "index.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=BASE_DIR,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_for(f"{url}/readyz", process, log)
        person = ["--username", USERNAME, "--email", f"{USERNAME}@example.com"]
        manage(environment, "createsuperuser", "--noinput", *person)
        manage(environment, "demo")
        many_tags = f"from portal.bench.many_tags import fill; fill({USERNAME!r})"
        manage(environment, "shell", "-c", many_tags)
        token = manage(
            environment, "create_access_token", USERNAME, "--name", "bench", "--scope", "write"
        )
        yield Index(url, var_dir, process, password, token.split()[-1])
    finally:
        _stop(process)


@contextmanager
def bare_registry(index: Index, folder: Path) -> Iterator[str]:
    """The same program with the same settings, but for tokens and notifications; its host."""
    host = f"127.0.0.1:{free_port()}"
    own = socket_dir(index.var_dir, "run") / "registry.yml"
    config = yaml.safe_load(own.read_text())
    del config["auth"], config["notifications"]
    config["http"] = {"addr": host, "secret": secrets.token_hex()}
    config["storage"]["filesystem"]["rootdirectory"] = str(folder / "bare")
    file, log = folder / "bare.yml", folder / "bare.log"
    file.write_text(yaml.safe_dump(config))
    program = _program_of_registry(index)
    with log.open("wb") as output:
        process = subprocess.Popen([program, "serve", file], stdout=output, stderr=output)
    try:
        _wait_for(f"http://{host}/v2/", process, log)
        yield host
    finally:
        _stop(process)


def manage(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return run(command, cwd=BASE_DIR, env=environment)


def run(command: list[str], **options: object) -> str:
    """What ``command`` prints. Raises CannotMeasure with what it said if it fails."""
    if shutil.which(command[0]) is None:
        raise CannotMeasure(f"{command[0]} is not here: apt-get install {command[0]}")
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise CannotMeasure(f"{' '.join(command[:2])} failed:\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _program_of_registry(index: Index) -> str:
    """What the index itself runs, wherever it was found."""
    for child in psutil.Process(index.process.pid).children():
        if "registry.yml" in " ".join(child.cmdline()):
            return str(child.exe())
    raise CannotMeasure("the index runs no registry of its own: unset REGISTRY_URL")


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise CannotMeasure(f"{url} doesn't answer:\n{log.read_text(errors='replace')}")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOPS_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
