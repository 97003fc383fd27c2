"""The real clients, each with folders of its own: nothing of this machine's user is touched."""

import json
import os
import subprocess
import time
from pathlib import Path

PLAIN_HTTP = "--tls-verify=false"


class Failed(Exception):
    """The client exited with an error; the text is all that it printed."""


def run(
    *command: str, stdin: str | None = None, env: dict[str, str] | None = None, timeout: float = 120
) -> str:
    """What ``command`` prints on both channels. Raises Failed if it exits with an error."""
    done = subprocess.run(
        command,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8", **(env or {})},
        timeout=timeout,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(done.stdout)
    return done.stdout


def wait_for(condition, what: str, timeout: float = 30):
    """The first true value of ``condition()``; fails with ``what`` was waited for otherwise."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout} s"
        time.sleep(0.05)
    return value


class Docker:
    """A Docker Engine of its own, and docker's command line beside it."""

    def __init__(
        self, folder: Path, *, trusting: Path | None = None, config_file: Path | None = None
    ) -> None:
        """``trusting``: the only root certificates that it knows; the system's otherwise.

        ``config_file``: its daemon.json.
        """
        self.folder = folder
        self.config = folder / "config"
        self.config.mkdir(parents=True)
        self.address = f"unix://{folder}/docker.sock"
        log = (folder / "dockerd.log").open("wb")
        self.engine = subprocess.Popen(
            [
                *["/usr/sbin/dockerd", "--bridge=none", "--iptables=false"],
                *["--storage-driver=vfs", "--data-root", f"{folder}/data"],
                *["--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"],
                *["-H", self.address],
                *(["--config-file", str(config_file)] if config_file else []),
            ],
            env={**os.environ, **({"SSL_CERT_FILE": str(trusting)} if trusting else {})},
            stdout=log,
            stderr=log,
        )
        log.close()
        wait_for(self._answers, f"dockerd ({folder}/dockerd.log)", 120)

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        command = ["/usr/bin/docker", "--config", str(self.config), "-H", self.address]
        return run(*command, *arguments, stdin=stdin)

    def login(self, host: str, user: str, secret: str) -> str:
        return self("login", host, "-u", user, "--password-stdin", stdin=secret)

    def build(self, name: str, text: str = "hello") -> None:
        """An image from nothing whose only content is ``text``."""
        context = self.folder / "context"
        context.mkdir(exist_ok=True)
        (context / "hello").write_text(text)
        (context / "Dockerfile").write_text(
            "FROM scratch\nCOPY hello /hello\nENV GREETING=hi\nEXPOSE 8080\n"
            'VOLUME /data\nUSER 1000\nLABEL org.opencontainers.image.licenses=MIT\nCMD ["/hello"]\n'
        )
        self("build", "-q", "-t", name, str(context))

    def empty(self) -> None:
        """Forget all images and log-ins."""
        images = self("images", "-q").split()
        if images:
            self("rmi", "-f", *dict.fromkeys(images))
        (self.config / "config.json").unlink(missing_ok=True)

    def credentials(self) -> dict[str, object]:
        path = self.config / "config.json"
        return json.loads(path.read_text()).get("auths", {}) if path.exists() else {}

    def stop(self) -> None:
        self.engine.terminate()
        self.engine.wait(30)

    def _answers(self) -> bool:
        try:
            self("version")
        except Failed:
            assert self.engine.poll() is None, (self.folder / "dockerd.log").read_text()[-2000:]
            return False
        return True


class Podman:
    """podman with storage and credentials of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authfile = folder / "auth.json"

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        storage = ["--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run"]
        env = {
            "REGISTRY_AUTH_FILE": str(self.authfile),
            "XDG_RUNTIME_DIR": str(self.folder),
            "HOME": str(self.folder),
        }
        command = ["podman", *storage, "--storage-driver=vfs", "--cgroup-manager=cgroupfs"]
        return run(*command, *arguments, stdin=stdin, env=env)


class Skopeo:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authfile = folder / "auth.json"

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        env = {"REGISTRY_AUTH_FILE": str(self.authfile), "HOME": str(self.folder)}
        return run("skopeo", "--insecure-policy", *arguments, stdin=stdin, env=env)


class Containerd:
    """containerd by itself (no docker), driven by ctr."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"{folder}/containerd.sock"
        (folder / "config.toml").write_text(
            f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{self.address}"\n'
            f'[ttrpc]\naddress = "{self.address}.ttrpc"\n'
        )
        log = (folder / "containerd.log").open("wb")
        self.daemon = subprocess.Popen(
            ["containerd", "--config", f"{folder}/config.toml"], stdout=log, stderr=log
        )
        log.close()
        wait_for(self._answers, f"containerd ({folder}/containerd.log)", 120)

    def __call__(self, *arguments: str) -> str:
        return run("ctr", "--address", self.address, *arguments)

    def stop(self) -> None:
        self.daemon.terminate()
        self.daemon.wait(30)

    def _answers(self) -> bool:
        try:
            self("version")
        except Failed:
            return False
        return True
