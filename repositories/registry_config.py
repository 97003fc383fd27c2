"""The configuration of CNCF Distribution, 2.8 or 3.x, as this index needs it.

Source: Distribution's ``configuration.md`` at v2.8.2 and v3.1.1; both start with it.
"""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from django.conf import settings

from portal.env import generated_secret
from repositories import registry_tokens

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class RegistrySettings:
    version: int  # 2 or 3
    address: str  # where it listens: a path is a Unix socket, else host:port
    storage: Path
    site_url: str
    service: str  # the audience of its tokens
    issuer: str
    keys: Path  # of 2: a bundle of certificates; of 3: a JWK set
    http_secret: str
    hook_url: str
    hook_secret: str


def settings_of(version: int) -> RegistrySettings:
    """What this index's registry needs to know."""
    host, port = hook_address()
    is_elsewhere = bool(settings.REGISTRY_URL)
    return RegistrySettings(
        version=version,
        address=f":{urlsplit(settings.REGISTRY_URL).port or 5000}"
        if is_elsewhere
        else str(settings.REGISTRY_SOCKET),
        storage=Path(settings.VAR_DIR) / "registry",
        site_url=settings.SITE_URL,
        service=settings.SITE_HOST,
        issuer=settings.REGISTRY_TOKEN_ISSUER,
        keys=registry_tokens.jwks_path() if version >= 3 else registry_tokens.bundle_path(),
        # The same over restarts, so that uploads under way survive one.
        http_secret=generated_secret(settings.VAR_DIR, "registry_http_secret"),
        hook_url=f"http://{host}:{port}/hooks/registry",
        hook_secret=settings.REGISTRY_HOOK_SECRET,
    )


def hook_address() -> tuple[str, int]:
    """Where the front door takes the registry's notifications: Distribution needs a TCP port."""
    if settings.REGISTRY_HOOK_ADDRESS:
        host, port = settings.REGISTRY_HOOK_ADDRESS
        return host, port
    if not _hook_port_file().exists():
        choose_hook_port()
    return LOOPBACK, int(_hook_port_file().read_text())


def choose_hook_port() -> None:
    """Keep the port of the last start, as it may stand in a configuration, unless it is taken."""
    file = _hook_port_file()
    if file.exists() and _free_port(int(file.read_text())) is not None:
        return
    file.write_text(str(_free_port(0)))


def _hook_port_file() -> Path:
    return Path(settings.VAR_DIR) / "registry_hook_port"


def _free_port(wanted: int) -> int | None:
    """``wanted``, or any if that is 0; None if it is taken."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, wanted))
        except OSError:
            return None
        return int(listener.getsockname()[1])


def render(registry: RegistrySettings) -> str:
    """The configuration file. Pure."""
    is_new = registry.version >= 3
    token: dict[str, Any] = {
        "realm": f"{registry.site_url}/token",
        "service": registry.service,
        "issuer": registry.issuer,
    }
    if is_new:
        # A certificate's id differs between 3.0 and 3.1; the ids in a JWK set are ours.
        token |= {"jwks": str(registry.keys), "signingalgorithms": ["ES256"]}
    else:
        token |= {"rootcertbundle": str(registry.keys)}
    config = {
        "version": 0.1,
        # At "info" it prints the secret of the hook when it starts, at "warn" a line for each
        # client that asks without a token first, as all do.
        "log": {"level": "error", "formatter": "text", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(registry.storage), "maxthreads": 100},
            "delete": {"enabled": True},
            # Clients would be sent to the object storage, which they may not reach.
            "redirect": {"disable": True},
            "cache": {"blobdescriptor": "inmemory"},
            "maintenance": {
                # All four are needed, or none works.
                "uploadpurging": {
                    "enabled": True,
                    "age": "168h",
                    "interval": "24h",
                    "dryrun": False,
                },
                "readonly": {"enabled": False},
            },
        },
        "auth": {"token": token},
        "http": {
            **_listener(registry.address),
            "secret": registry.http_secret,
            # Behind a front door it can't know its own address.
            "relativeurls": True,
            "headers": {"X-Content-Type-Options": ["nosniff"]},
            "draintimeout": "2s",  # `make up` stops within 8 s; clients send a layer again
        },
        "notifications": {
            "events": {"includereferences": True},
            "endpoints": [
                {
                    "name": "gantry",
                    "url": registry.hook_url,
                    "headers": {"Authorization": [f"Bearer {registry.hook_secret}"]},
                    "timeout": "5s",
                    "threshold": 5,
                    "backoff": "1s",
                    # Of layers nothing is counted; this drops nine of ten events.
                    "ignoredmediatypes": ["application/octet-stream"],
                }
            ],
        },
        "health": {"storagedriver": {"enabled": True, "interval": "10s", "threshold": 3}},
        "catalog": {"maxentries": 1000},
    }
    return yaml.safe_dump(config, sort_keys=False)


def _listener(address: str) -> dict[str, str]:
    if address.startswith("/"):
        return {"net": "unix", "addr": address}
    return {"addr": address}
