"""Paths, tags and digests, as the OCI allows them and as this index takes them. Pure.

Source: OCI Distribution Specification 1.1, "Pulling manifests"; distribution/reference v0.6.
The registry itself takes more (``Alice/app``, ``host:1/app``, ``a/b/c``): nobody gets a token
for what is not in this grammar, so such repositories can't come into being.
"""

import re

from accounts import names as namespaces

# Longer ones could not be pulled: a reference has 255 characters, with the host's name.
MAX_PATH_LENGTH = 200
COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
NAME_PATTERN = f"^{COMPONENT}$"
TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
DIGEST = r"sha256:[0-9a-f]{64}"
DIGEST_PATTERN = f"^{DIGEST}$"

_NAME = re.compile(COMPONENT)
_TAG = re.compile(TAG)
_DIGEST = re.compile(DIGEST)
# The tags that clients keep attachments under: OCI's referrers tag schema, and cosign's.
ATTACHMENT_TAG_PATTERN = r"^sha256-[0-9a-f]{64}(\.(sig|att|sbom))?$"
_ATTACHMENT_TAG = re.compile(ATTACHMENT_TAG_PATTERN)


def split_path(path: str) -> tuple[str | None, str] | None:
    """``(namespace, name)`` of a path, namespace None for top-level; None if it is none of ours."""
    namespace, slash, name = path.rpartition("/")
    if len(path) > MAX_PATH_LENGTH or not is_name(name):
        return None
    if not slash:
        return (None, name) if name not in namespaces.RESERVED else None
    try:
        namespaces.check(namespace)
    except namespaces.BadName:
        return None
    return namespace, name


def is_name(name: str) -> bool:
    """Whether ``name`` can be the last part of a path."""
    is_image_id = namespaces.HEX_ID_PATTERN.fullmatch(name) is not None
    return _NAME.fullmatch(name) is not None and not is_image_id


def without_library(path: str) -> str:
    """``centos`` for ``library/centos``: some clients write what is Docker Hub's alone."""
    return path.removeprefix("library/")


def is_tag(reference: str) -> bool:
    return _TAG.fullmatch(reference) is not None


def is_digest(reference: str) -> bool:
    return _DIGEST.fullmatch(reference) is not None


def is_attachment_tag(tag: str) -> bool:
    """Whether a tag is there for machines: signatures and the like, not images for people."""
    return _ATTACHMENT_TAG.fullmatch(tag) is not None
