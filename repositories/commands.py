"""The exact lines that people paste: with this index's name, their own, and nothing to fill in."""

import json
from dataclasses import dataclass

from django.conf import settings

DEFAULT_TAG = "latest"  # what clients take when a reference names none
TRUSTED_BY_DOCKER = {"localhost", "127.0.0.1"}  # over plain HTTP, without being told to


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
