"""What tests need beside Python's packages: which programs, and how to get them.

``python -m tests.tools`` (called by ``make test``) installs what is missing where it may, and
says what will not run. Without it, such tests are skipped; with CI=true that is an error.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from portal import registry_binary
from portal.env import BASE_DIR

VENV = BASE_DIR / ".venv"
# Daemons are at home in sbin, which a user's PATH may lack.
PATH = os.pathsep.join([os.environ.get("PATH", ""), str(VENV / "bin"), "/usr/sbin", "/sbin"])
POLICY = Path("/usr/sbin/policy-rc.d")


@dataclass(frozen=True)
class Tool:
    program: str
    package: str  # Debian's
    used_by: str  # a fixture or a marker: tests with it need the program
    needs_root: bool = False


TOOLS = [
    Tool("docker-registry", "docker-registry", "clients"),
    Tool("docker-registry", "docker-registry", "browser"),
    Tool("docker-registry", "docker-registry", "index"),
    Tool("skopeo", "skopeo", "clients"),
    Tool("skopeo", "skopeo", "skopeo"),
    Tool("dockerd", "docker.io", "docker", needs_root=True),
    Tool("docker", "docker.io", "docker", needs_root=True),
    Tool("podman", "podman", "podman"),
    Tool("containerd", "containerd", "containerd", needs_root=True),
    Tool("ctr", "containerd", "containerd", needs_root=True),
    Tool("chromium", "chromium", "browser"),
    Tool("wrk", "wrk", "wrk"),
    Tool("kubectl", "kubernetes-client", "kubectl"),
    Tool("busybox", "busybox-static", "busybox"),
    Tool("curl", "curl", "curl"),
]


def is_ci() -> bool:
    return os.environ.get("CI") == "true"


def why_not(names: set[str]) -> str:
    """Why a test with these fixtures and markers can't run here; empty if it can."""
    for tool in TOOLS:
        if tool.used_by in names and (reason := _lack(tool)):
            return reason
    return ""


def what_will_not_run() -> list[str]:
    lacks = dict.fromkeys(reason for tool in TOOLS if (reason := _lack(tool)))
    return [f"will not run here: {reason}" for reason in lacks]


def _lack(tool: Tool) -> str:
    if shutil.which(tool.program, path=PATH) is None:
        return f"tests that need {tool.program} (apt-get install {tool.package})"
    if tool.needs_root and os.geteuid() != 0:
        return f"tests that start {tool.program}, since it needs root (sudo make test)"
    return ""


def install() -> None:
    """Get what is missing: the registry without root, all else by apt as root."""
    try:
        registry_binary.find_or_fetch(VENV, "")
    except registry_binary.NoRegistry as error:
        print(error)
    missing = {
        tool.package
        for tool in TOOLS
        if tool.program != "docker-registry" and shutil.which(tool.program, path=PATH) is None
    }
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing {', '.join(sorted(missing))}", flush=True)
        _apt_install(sorted(missing))


def _apt_install(packages: list[str]) -> None:
    """Each by itself, since one that a distribution lacks must not keep the others away."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "-qq", "update"], env=environment, check=False)
    # Debian starts the daemons of new packages, unless this program forbids it (invoke-rc.d).
    is_ours = not POLICY.exists()
    if is_ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        for package in packages:
            command = ["apt-get", "-qq", "-y", "--no-install-recommends", "install", package]
            with tempfile.TemporaryFile() as output:
                done = subprocess.run(
                    command, env=environment, stdout=output, stderr=output, check=False
                )
                if done.returncode != 0:
                    output.seek(0)
                    print(output.read().decode(errors="replace"))
    finally:
        if is_ours:
            POLICY.unlink()


if __name__ == "__main__":
    install()
    for line in what_will_not_run():
        print(line)
