"""The exact lines that people paste, with this index's name and their own in them."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

DEFAULT_TAG = "latest"  # what clients take when a reference names none
TRUSTED_BY_DOCKER = {"localhost", "127.0.0.1"}  # over plain HTTP, without being told to

MAX_RUN_OPTIONS = 8  # of one kind: longer lines are not read, and the tag's page names them all
PRIVILEGED = 1024  # below it, a port of one's machine is taken, or needs rights
# What images set for themselves, and nobody fills in.
OWN_ENVIRONMENT = re.compile(
    r"(.*PATH|HOME|.*_HOME|USER|SHELL|TERM|LANG|LANGUAGE|LC_.*|TZ|PWD|.*_VERSION|.*_RELEASE|"
    r".*_SHA\d*|.*CHECKSUM.*|.*_URL|GPG_.*|DEBIAN_FRONTEND|PHP_.*|PYTHON.*|PIP_.*|container)"
)
_PORT = re.compile(r"(\d{1,5})(?:/(tcp|udp|sctp))?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
_SHELLS = {"sh", "bash", "ash", "dash", "zsh"}


@dataclass(frozen=True)
class Line:
    """One way to say the same thing; ``key`` names it in addresses and styles."""

    key: str
    label: str
    text: str


def reference(path: str, tag: str = DEFAULT_TAG) -> str:
    """``hub.example.com/alice/app:1.0``; without the tag where clients would add it themselves."""
    suffix = "" if tag == DEFAULT_TAG else f":{tag}"
    return f"{settings.SITE_HOST}/{path}{suffix}"


def pull_lines(path: str, tag: str, digest: str) -> list[Line]:
    name = reference(path, tag)
    return [
        Line("docker", "docker", f"docker pull {name}"),
        Line("podman", "podman", f"podman pull{_plain_http()} {name}"),
        Line("from", "Dockerfile", f"FROM {name}"),
        Line("digest", "digest", f"docker pull {reference(path)}@{digest}"),
    ]


@dataclass(frozen=True)
class PushSteps:
    """From an image on the reader's machine to this index."""

    login: str
    build: str
    tag: str  # of an image that is there already: my-image stands for its name
    push: str
    # What docker's daemon.json must say before; empty where docker trusts the index anyway.
    insecure_setting: str


def push_steps(path: str, username: str) -> PushSteps:
    name = reference(path)
    is_trusted = settings.IS_HTTPS or settings.SITE_HOST.partition(":")[0] in TRUSTED_BY_DOCKER
    trusting = {"insecure-registries": [settings.SITE_HOST]}
    return PushSteps(
        login=f"docker login {settings.SITE_HOST} -u {username}",
        build=f"docker build -t {name} .",
        tag=f"docker tag my-image {name}",
        push=f"docker push {name}",
        insecure_setting="" if is_trusted else json.dumps(trusting),
    )


def _plain_http() -> str:
    """podman insists on TLS, also for localhost (docker doesn't there)."""
    return "" if settings.IS_HTTPS else " --tls-verify=false"


@dataclass(frozen=True)
class RunLine:
    """A line that starts a container. ``variables`` have VALUE in it, for people to replace."""

    text: str
    variables: list[str]


def run_line(path: str, tag: str, facts: Mapping[str, Any]) -> RunLine:
    """Made of what the image says about itself, see images.ImageFacts for the keys of ``facts``.

    Strangers wrote it, so what has not the form that it should have is left out.
    """
    ports = _published(facts.get("ports", []))
    variables = _variables(facts.get("environment", []))
    program = [*facts.get("entrypoint", []), *facts.get("cmd", [])][-1:]
    is_shell = bool(program) and program[0].rpartition("/")[2] in _SHELLS
    options = ["-d"] if ports else ["--rm", "-it"] if is_shell else ["--rm"]
    options += [f"-p {port}" for port in ports]
    options += [f"-v {volume}" for volume in _mounted(path, facts.get("volumes", []))]
    options += [f"-e {name}=VALUE" for name in variables]
    return RunLine(" ".join(["docker run", *options, reference(path, tag)]), variables)


def _published(ports: list[str]) -> list[str]:
    """``8080:80``, ``8053:53/udp``: each on a port of its own that is free on most machines."""
    found: list[str] = []
    taken: set[tuple[int, str]] = set()
    for text in sorted(ports, key=lambda port: (len(port), port)):
        match = _PORT.fullmatch(text)
        if match is None or not 0 < int(match[1]) < 65536:
            continue
        inner, protocol = int(match[1]), match[2] or "tcp"
        outer = inner if inner >= PRIVILEGED else 8000 + inner
        while (outer, protocol) in taken:
            outer += 1
        taken.add((outer, protocol))
        found.append(f"{outer}:{inner}" + ("" if protocol == "tcp" else f"/{protocol}"))
    return found[:MAX_RUN_OPTIONS]


def _mounted(path: str, volumes: list[str]) -> list[str]:
    """``app-data:/var/lib/data``: named volumes, which docker makes and keeps."""
    name = path.rpartition("/")[2]
    found: dict[str, str] = {}
    for folder in volumes:
        last = re.sub(r"[^a-zA-Z0-9_.-]+", "-", folder.rstrip("/").rpartition("/")[2])
        # A colon would end the folder and begin docker's options.
        if not folder.startswith("/") or ":" in folder or not folder.isprintable() or not last:
            continue
        volume = f"{name}-{last}"
        while volume in found:
            volume += "-2"
        found[volume] = shlex.quote(f"{volume}:{folder}")
    return list(found.values())[:MAX_RUN_OPTIONS]


def _variables(names: list[str]) -> list[str]:
    """Those that people set, and not what the image needs for itself."""
    return [
        name
        for name in dict.fromkeys(names)
        if _VARIABLE.fullmatch(name) and not OWN_ENVIRONMENT.fullmatch(name)
    ][:MAX_RUN_OPTIONS]
