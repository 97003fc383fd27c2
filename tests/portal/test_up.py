"""`make up`, from the first start to the end, as an operator sees it."""

import os
import re
import shutil
import signal
import subprocess
import sys

import httpx
import pytest

from portal.env import BASE_DIR
from tests.protocol.clients import wait_for
from tests.stack import Stack, new_folder

pytestmark = pytest.mark.clients

PROCESSES = ["supervisord", "granian", "procrastinate", "docker-registry", "caddy", "postgres"]


@pytest.fixture(scope="module")
def own():
    """An index beside the shared one, started by make, for tests that kill it."""
    folder = new_folder()
    with Stack(folder, command=["make", "up"]) as stack:
        yield stack
    shutil.rmtree(folder)


def up(**settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=BASE_DIR,
        env=settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_says_each_step_and_what_comes_next(own):
    wait_for(lambda: "docker push" in own.output(), "the next steps")
    output = own.output()
    for step in ["registry: /", "static files", "database", "migrations: ", "starting portal"]:
        assert re.search(rf"(?m)^\d\d:\d\d:\d\d gantry     \| {step}", output), step
    assert f"Gantry runs at {own.url}" in output
    assert f"docker login {own.host}" in output
    link = re.search(rf"{own.url}/\S+", output.split("first staff account")[1])[0]
    assert httpx.get(link).status_code == 200
    assert "Traceback" not in output


def test_runs_each_process_under_its_own_name_in_one_session(own):
    postmaster = int((own.var_dir / "postgres/data/postmaster.pid").read_text().split()[0])
    # PostgreSQL forks for each connection, into a session of its own; it names that only then.
    commands = {
        pid: command
        for pid, command in own.processes().items()
        if "postgres -D" not in command or pid == postmaster
    }
    unknown = [c for c in commands.values() if not any(name in c for name in PROCESSES)]
    assert unknown == []
    for name in PROCESSES:
        assert own.pids(name), name
    for pid, command in commands.items():
        assert os.getsid(pid) == os.getsid(own.pid), command
    assert f" -D {own.var_dir}/postgres/data" in commands[postmaster]
    assert not any(c.startswith(("sh ", "/bin/sh", "setpriv")) for c in commands.values())


def test_two_run_side_by_side(index, own):
    assert own.is_ready()
    assert index.is_ready()


def test_a_second_one_on_the_same_folder_is_refused(own):
    refused = up(**{**own.environment, "PORT": "1"})
    assert refused.returncode != 0
    assert f"another index runs on {own.var_dir} already" in refused.stderr
    assert own.is_ready()


def test_a_port_in_use_is_refused(own, tmp_path):
    refused = up(**{**own.environment, "VAR_DIR": str(tmp_path)})
    assert refused.returncode != 0
    assert f"PORT={own.port} is used by another program" in refused.stderr


def test_manage_talks_to_the_same_database_from_another_shell(own):
    count = "from accounts.models import User; print(User.objects.count())"
    assert own.manage("shell", "-v0", "-c", count).strip() == "0"


def test_a_dead_worker_of_the_portal_is_replaced(own):
    workers = own.pids("granian")[1:]
    os.kill(workers[-1], signal.SIGKILL)
    wait_for(lambda: len(set(own.pids("granian")) - set(workers)) >= 2, "a new worker")
    wait_for(own.is_ready, "ready")


def test_nothing_is_left_when_make_is_killed(own):
    os.kill(own.pid, signal.SIGKILL)
    wait_for(lambda: not own.processes(), "all processes have ended")
    own.start()


def test_starts_again_at_once_after_supervisord_was_killed(own):
    (supervisord,) = own.pids("supervisord")
    before = own.output()
    os.kill(supervisord, signal.SIGKILL)
    own.start()
    said = own.output().removeprefix(before)
    assert "starting portal" in said
    assert "migrations: " not in said  # what is done is not done again
