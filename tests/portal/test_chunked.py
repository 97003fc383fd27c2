"""What comes in chunks, without a Content-Length: podman with the login that docker keeps."""

import io

import pytest

from portal.chunked import MAX_BYTES, ReadsChunks


def call(body: bytes, **environ: str) -> tuple[str, bytes]:
    """The status, and what an application behind it reads by the length that it is told."""
    said: list[str] = []

    def application(environ, start_response):
        start_response("200 OK", [])
        return [environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))]

    answer = ReadsChunks(application)(
        {"wsgi.input": io.BytesIO(body), **environ}, lambda status, headers: said.append(status)
    )
    return said[0], b"".join(answer)


def test_what_is_too_large_is_refused():
    status, body = call(b"x" * (MAX_BYTES + 1), HTTP_TRANSFER_ENCODING="chunked")
    assert (status, body) == ("413 Content Too Large", b"")


@pytest.mark.parametrize("encoding", ["chunked", "Chunked", "gzip, chunked"])
def test_a_body_in_chunks_gets_its_length(encoding):
    assert call(b"a=1", HTTP_TRANSFER_ENCODING=encoding) == ("200 OK", b"a=1")


def test_a_length_that_is_said_is_kept():
    assert call(b"a=1&b=2", CONTENT_LENGTH="3") == ("200 OK", b"a=1")
