"""A small client of the registry's API, for the portal's own reads.

It never takes an error for an absence: ``NotThere`` is raised where the registry itself says
that it doesn't know something, and everything else that isn't a success (no answer, 401, 500,
half an answer, somebody else's 404 page) is ``RegistryUnavailable``.

Source: OCI Distribution Specification 1.1; Distribution 2.8.2 and 3.1, registry/handlers.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import httpx
from django.conf import settings

from repositories import registry_tokens
from repositories.images import MAX_CONFIG_BYTES, MEDIA_TYPES
from repositories.names import is_digest, is_tag, split_path

logger = logging.getLogger(__name__)

USER_AGENT = "Gantry"
ACCEPT = ", ".join(MEDIA_TYPES)
# It is next door, and answers in milliseconds when it is well.
TIMEOUT = httpx.Timeout(5, connect=2)
MAX_MANIFEST_BYTES = 4 * 1024 * 1024  # the registry takes no larger one
# 100,000 tags of the longest name; 2.8 answers all of them at once.
MAX_LIST_BYTES = 16 * 1024 * 1024
CATALOG_PAGE = 1000  # the registry's own limit
MAX_PAGES = 100_000  # a list that goes in circles must end
UNFIT = {"MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "MANIFEST_INVALID", "BLOB_UNKNOWN"}
UNKNOWN = {"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "BLOB_UNKNOWN"}

# Images that wait for undo. "deleted" is nobody's namespace, so no client's token names it.
HELD_PATH = "deleted/images"

CATALOG_ACCESS = {"type": "registry", "name": "catalog", "actions": ["*"]}


class RegistryUnavailable(Exception):
    """The registry gave no answer that can be relied on. Says nothing about what it holds."""


class NotThere(Exception):
    """The registry says, in its own words, that it does not have this."""


class Refused(Exception):
    """The registry says that it can't store a manifest: a part of it isn't there."""


@dataclass(frozen=True)
class StoredManifest:
    """A manifest's bytes, which are what its digest was made from."""

    digest: str
    media_type: str
    content: bytes


@contextmanager
def connect(timeout: httpx.Timeout | None = None) -> Iterator["Registry"]:
    """A connection for some requests in a row; closed at the end."""
    url = settings.REGISTRY_URL
    transport = httpx.HTTPTransport(
        # Reading all certificates takes longer than asking; only https needs them.
        verify=url.startswith("https://"),
        uds=None if url else str(settings.REGISTRY_SOCKET),
    )
    with httpx.Client(
        base_url=url or "http://registry",
        transport=transport,
        timeout=timeout or TIMEOUT,
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        trust_env=False,
    ) as client:
        yield Registry(client)


class Registry:
    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def manifest(self, path: str, reference: str) -> StoredManifest:
        """The manifest behind a tag or a digest. Raises NotThere, RegistryUnavailable."""
        url = _manifest_url(path, reference)
        answer = self._get(url, _pull(path), MAX_MANIFEST_BYTES, {"Accept": ACCEPT})
        digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        if digest != (reference if is_digest(reference) else answer.digest):
            raise RegistryUnavailable(f"{url}: the bytes don't have the digest {answer.digest}")
        return StoredManifest(digest, answer.media_type, answer.content)

    def digest_of(self, path: str, reference: str, known: str = "") -> str:
        """The digest that a tag or digest stands for. Raises NotThere, RegistryUnavailable.

        With a tag's digest ``known`` from before, the registry doesn't notify us of our own
        question if it is still that one. (Of a digest it would not even look whether it is there.)
        """
        url = _manifest_url(path, reference)
        headers = {"Accept": ACCEPT, **({"If-None-Match": f'"{known}"'} if known else {})}
        with _errors_of(url):
            answer = self._client.head(url, headers=_authorized(_pull(path), headers))
        if answer.status_code == 304 and known:
            return known
        if answer.status_code == 404:
            # Without a body, it might be anybody's 404.
            return self.manifest(path, reference).digest
        digest = answer.headers.get("Docker-Content-Digest", "")
        if answer.status_code != 200 or not is_digest(digest):
            raise RegistryUnavailable(f"HEAD {url}: {answer.status_code}")
        return str(digest)

    def config(self, path: str, digest: str) -> bytes:
        """A configuration's bytes, at most MAX_CONFIG_BYTES. Raises as above, TooLarge."""
        url = f"/v2/{path}/blobs/{digest}"
        content = self._get(url, _pull(path), MAX_CONFIG_BYTES).content
        algorithm, _, expected = digest.partition(":")
        if algorithm == "sha256" and hashlib.sha256(content).hexdigest() != expected:
            raise RegistryUnavailable(f"{url}: the bytes don't have this digest")
        return content

    def tags(self, path: str) -> list[str]:
        """All tags of a repository. Raises NotThere, RegistryUnavailable."""
        names = self._list(f"/v2/{path}/tags/list", "tags", _pull(path))
        return sorted({name for name in names if is_tag(name)})

    def repositories(self) -> list[str]:
        """The whole catalogue, also names that are none of ours. Raises RegistryUnavailable."""
        try:
            return self._list(f"/v2/_catalog?n={CATALOG_PAGE}", "repositories", CATALOG_ACCESS)
        except NotThere as error:
            raise RegistryUnavailable("the registry has no catalogue") from error

    def put_manifest(self, path: str, reference: str, manifest: "StoredManifest") -> None:
        """Write a manifest under a tag or its digest. Raises Refused, RegistryUnavailable."""
        url = _manifest_url(path, reference)
        headers = {"Content-Type": manifest.media_type}
        answer = self._send("PUT", url, [_write(path)], manifest.content, headers)
        if answer.status_code == 400 and _Answer(url, answer, answer.content).error_codes & UNFIT:
            raise Refused(f"{url}: {answer.text[:300]}")
        if answer.status_code != 201:
            raise RegistryUnavailable(f"PUT {url}: {answer.status_code}")

    def delete_manifest(self, path: str, digest: str) -> None:
        """Remove a manifest and all tags that stand for it, if it is there.

        Raises RegistryUnavailable.
        """
        url = _manifest_url(path, digest)
        answer = self._send("DELETE", url, [_write(path)])
        is_gone = _Answer(url, answer, answer.content).error_codes & UNKNOWN
        if answer.status_code != 202 and not (answer.status_code == 404 and is_gone):
            raise RegistryUnavailable(f"DELETE {url}: {answer.status_code}")

    def mount(self, digest: str, *, source: str, target: str) -> bool:
        """Let ``target`` have a blob of ``source``; False if there is none.

        Raises RegistryUnavailable.
        """
        url = f"/v2/{target}/blobs/uploads/"
        query = urlencode({"mount": digest, "from": source})
        access = [_write(target), _pull(source)]
        answer = self._send("POST", f"{url}?{query}", access)
        if answer.status_code == 202:  # it takes an upload instead
            self._send("DELETE", answer.headers.get("Location", ""), access)
            return False
        if answer.status_code != 201:
            raise RegistryUnavailable(f"POST {url}: {answer.status_code}")
        return True

    def _send(
        self,
        method: str,
        url: str,
        access: list[dict[str, Any]],
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """A request that changes something. Its answers are short. Raises RegistryUnavailable."""
        token = f"Bearer {registry_tokens.own_token(access)}"
        with _errors_of(url):
            return self._client.request(
                method, url, content=content, headers={**(headers or {}), "Authorization": token}
            )

    def _list(self, url: str, key: str, access: Mapping[str, Any]) -> list[str]:
        """All pages of a list; a page that fails is a list that fails."""
        found: list[str] = []
        next_url: str | None = url
        for _ in range(MAX_PAGES):
            if next_url is None:
                return found
            answer = self._get(next_url, access, MAX_LIST_BYTES)
            found += answer.names(key)
            next_url = answer.next_url
        raise RegistryUnavailable(f"{url}: the list has no end")

    def _get(
        self,
        url: str,
        access: Mapping[str, Any],
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
    ) -> "_Answer":
        """A success, read up to ``max_bytes``. Raises NotThere, RegistryUnavailable, TooLarge."""
        with _errors_of(url):
            request = self._client.build_request(
                "GET", url, headers=_authorized(access, headers or {})
            )
            # Object storage is a redirect away; httpx takes the token off for another host.
            response = self._client.send(request, stream=True, follow_redirects=True)
            try:
                content = _read(response, url, max_bytes)
            finally:
                response.close()
        answer = _Answer(url, response, content)
        if response.status_code == 404 and answer.error_codes & UNKNOWN:
            raise NotThere(url)
        if response.status_code != 200:
            raise RegistryUnavailable(f"GET {url}: {response.status_code}")
        return answer


class TooLarge(RegistryUnavailable):
    """The answer is larger than anything that belongs there."""


@dataclass(frozen=True)
class _Answer:
    url: str
    response: httpx.Response
    content: bytes

    @property
    def digest(self) -> str:
        return str(self.response.headers.get("Docker-Content-Digest", ""))

    @property
    def media_type(self) -> str:
        return str(self.response.headers.get("Content-Type", "")).partition(";")[0].strip()

    @property
    def error_codes(self) -> set[str]:
        """The registry's own words for what is wrong; none if it isn't the registry's answer."""
        try:
            errors = self._json().get("errors")
        except RegistryUnavailable:
            return set()
        if not isinstance(errors, list):
            return set()
        return {str(error.get("code")) for error in errors if isinstance(error, dict)}

    def names(self, key: str) -> list[str]:
        names = self._json().get(key)
        if names is None and key in self._json():  # 2.8 writes null for an empty list
            return []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise RegistryUnavailable(f"{self.url}: no list of {key}")
        return names

    @property
    def next_url(self) -> str | None:
        link = self.response.links.get("next", {}).get("url")
        if link is None:
            return None
        parts = urlsplit(urljoin(self.url, link))
        return f"{parts.path}?{parts.query}"  # never to another host

    def _json(self) -> dict[str, Any]:
        try:
            value = httpx.Response(200, content=self.content).json()
        except (ValueError, RecursionError) as error:
            raise RegistryUnavailable(f"{self.url}: the answer is not JSON") from error
        if not isinstance(value, dict):
            raise RegistryUnavailable(f"{self.url}: the answer is no JSON object")
        return value


def _read(response: httpx.Response, url: str, max_bytes: int) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > max_bytes:
            raise TooLarge(f"GET {url}: more than {max_bytes} bytes")
    return bytes(content)


@contextmanager
def _errors_of(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RegistryUnavailable(f"{url}: {error or type(error).__name__}") from error


def _manifest_url(path: str, reference: str) -> str:
    is_path = path == HELD_PATH or split_path(path) is not None
    if not is_path or not (is_tag(reference) or is_digest(reference)):
        raise ValueError(f"{path[:200]!r}, {reference[:200]!r}: not an address of the registry")
    return f"/v2/{path}/manifests/{reference}"


def _pull(path: str) -> dict[str, Any]:
    return {"type": "repository", "name": path, "actions": ["pull"]}


def _write(path: str) -> dict[str, Any]:
    return {"type": "repository", "name": path, "actions": ["pull", "push", "delete"]}


def _authorized(access: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, "Authorization": f"Bearer {registry_tokens.own_token([access])}"}
