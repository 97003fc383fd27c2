"""Where the registry's program is: named by REGISTRY_BIN, in the PATH, or fetched from Debian.

Debian's package would start a service of its own on port 5000. Its file is only unpacked under
VAR_DIR instead, which needs no root.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PACKAGE = "docker-registry"
HOW_TO_GET_IT = (
    f"install Debian's package `{PACKAGE}`, or set REGISTRY_BIN to the program of CNCF "
    "Distribution 2.8 or 3 (https://github.com/distribution/distribution/releases)."
)
DEBIANS_PATH = "/usr/bin"  # cron and some services have a PATH without it
APT_TIMEOUT_SECONDS = 120


class NoRegistry(Exception):
    """There is no registry to run; the message says how to get one."""


def find_or_fetch(var_dir: Path, named: str) -> Path:
    """The program's path. ``named`` is what REGISTRY_BIN says."""
    if named:
        found = shutil.which(named)
        if found is None:
            raise NoRegistry(f"REGISTRY_BIN={named!r} is not a program: {HOW_TO_GET_IT}")
        return Path(found).resolve()
    found = shutil.which(PACKAGE) or shutil.which(PACKAGE, path=DEBIANS_PATH)
    if found is not None:
        return Path(found)
    fetched = var_dir / "bin" / PACKAGE
    if not fetched.exists():
        _fetch(fetched)
    return fetched


def version_of(program: Path) -> int:
    """2 or 3. Says ``docker-registry github.com/docker/distribution 2.8.2+ds1`` or the like."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    version = done.stdout.strip().rpartition(" ")[2].removeprefix("v")
    if done.returncode != 0 or version.split(".")[0] not in {"2", "3"}:
        raise NoRegistry(f"{program} is not CNCF Distribution 2.8 or 3: {HOW_TO_GET_IT}")
    return int(version.split(".")[0])


def _fetch(target: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NoRegistry(f"there is no registry: {HOW_TO_GET_IT}")
    with tempfile.TemporaryDirectory() as folder:
        download = ["apt-get", "-q", "download", PACKAGE]
        if not _succeeds(download, folder) and os.geteuid() == 0:
            # A bare machine has no lists of packages yet; only root may get them.
            _succeeds(["apt-get", "-q", "update"], folder)
            _succeeds(download, folder)
        packages = list(Path(folder).glob("*.deb"))
        unpacked = Path(folder) / "usr" / "bin" / PACKAGE
        if not packages or not _succeeds(["dpkg-deb", "-x", str(packages[0]), folder], folder):
            raise NoRegistry(
                f"there is no registry, and apt could not download it: {HOW_TO_GET_IT}"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: it may be interrupted.
        shutil.copy2(unpacked, target.with_suffix(".part"))
        target.with_suffix(".part").rename(target)


def _succeeds(command: list[str], folder: str) -> bool:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=APT_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
