"""Keyed digests of passwords: comparable here, and worth nothing to who reads the database."""

import functools
import hashlib
import hmac

from django.conf import settings

from portal.env import generated_secret


def keyed_digest(purpose: str, *parts: str) -> str:
    """64 hex digits, equal for equal arguments alone. The key isn't in the database."""
    # Lengths keep the parts apart: "a" + "bc" is not "ab" + "c". A lone surrogate can come in
    # by JSON, and is no reason to fail.
    message = b"".join(
        b"%d:%b" % (len(encoded), encoded)
        for encoded in (part.encode("utf-8", "surrogatepass") for part in (purpose, *parts))
    )
    return hmac.new(_key(), message, hashlib.sha256).hexdigest()


@functools.cache
def _key() -> bytes:
    return generated_secret(settings.VAR_DIR, "password_digest_key").encode()
