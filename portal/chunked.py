"""Bodies that come in chunks, for Django: it reads as many bytes as Content-Length says, so none.

podman sends docker's login to /token in this way, and so does much that is written in Go. The front
door buffers such a body, but hands it on in chunks again.
"""

import io
from collections.abc import Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIHandler

# The front door's limit for all that isn't an image; see the Caddyfile.
MAX_BYTES = 16 * 1024 * 1024


class ReadsChunks:
    """``application``, with the length of each body."""

    def __init__(self, application: WSGIHandler) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            body = environ["wsgi.input"].read(MAX_BYTES + 1)
            if len(body) > MAX_BYTES:
                start_response("413 Content Too Large", [("Content-Length", "0")])
                return []
            environ["wsgi.input"] = io.BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return self.application(environ, start_response)
