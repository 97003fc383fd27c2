"""What the OCI distribution-spec asks of a registry, as our users see it: through the front door.

Source: OCI Distribution Specification 1.1: "Pull", "Push", "Content Discovery", "Content
Management". Where it leaves a choice, what is asserted is what CNCF Distribution 2.8 does.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.oci import CONFIG, INDEX, LAYER, MANIFEST
from tests.protocol.clients import wait_for
from tests.protocol.conftest import Person, new_token

pytestmark = pytest.mark.clients

CHUNK = b"x" * 1000
ABSENT = "sha256:" + "0" * 64
PARTS_MISSING = (400, "MANIFEST_BLOB_UNKNOWN")
EMPTY = "application/vnd.oci.empty.v1+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


class Client:
    """Speaks for one person, or for nobody, with a new token for each request."""

    def __init__(self, base_url: str, service: str, auth: tuple[str, str] | None = None) -> None:
        self.http = httpx.Client(base_url=base_url, timeout=20)
        self.service = service
        self.auth = auth

    def __call__(self, method: str, address: str, *scopes: str, **options: Any) -> httpx.Response:
        name = re.sub(r"(https?://[^/]+)?/v2/([^/]+/[^/]+)/.*", r"\2", address, flags=re.DOTALL)
        wanted = scopes or (f"repository:{name}:pull,push,delete",)
        headers = {
            "Authorization": f"Bearer {self.token(*wanted)}",
            "Accept": f"{MANIFEST}, {INDEX}",
            **options.pop("headers", {}),
        }
        return self.http.request(method, address, headers=headers, **options)

    def token(self, *scopes: str) -> str:
        parameters = [("service", self.service), *[("scope", scope) for scope in scopes]]
        answer = self.http.get(
            "/token", params=parameters, auth=self.auth or httpx.USE_CLIENT_DEFAULT
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    def start(self, path: str, query: str = "", *scopes: str) -> httpx.Response:
        return self("POST", f"/v2/{path}/blobs/uploads/{query}", *scopes)

    def blob(self, path: str, content: bytes) -> str:
        upload = self.start(path).headers["Location"]
        mark = "&" if "?" in upload else "?"
        done = self("PUT", f"{upload}{mark}digest={digest_of(content)}", content=content)
        assert done.status_code == 201, done.text
        return digest_of(content)

    def manifest(self, path: str, reference: str, manifest: dict[str, Any]) -> httpx.Response:
        return self(
            "PUT",
            f"/v2/{path}/manifests/{reference}",
            content=json.dumps(manifest),
            headers={"Content-Type": manifest["mediaType"]},
        )

    def image(self, path: str, tag: str, text: str = "layer", **more: Any) -> str:
        """Pushes an image; its digest."""
        layer, config = text.encode(), b'{"architecture":"amd64","os":"linux"}'
        self.blob(path, layer)
        self.blob(path, config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(config, CONFIG),
            "layers": [descriptor(layer, LAYER)],
            **more,
        }
        pushed = self.manifest(path, tag, manifest)
        assert pushed.status_code == 201, pushed.text
        assert tag in self.tags(path)  # the list looks up what the index wasn't told yet
        return str(pushed.headers["Docker-Content-Digest"])

    def tags(self, path: str, query: str = "") -> list[str]:
        answer = self("GET", f"/v2/{path}/tags/list{query}")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["tags"])


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["errors"][0]["code"])


@pytest.fixture
def clients(index, inside) -> Iterator[Any]:
    opened: list[Client] = []

    def client(person: Person | None = None, scope: str = "delete") -> Client:
        auth = (person.name, new_token(inside, person.name, scope)) if person else None
        opened.append(Client(index.url, index.host, auth))
        return opened[-1]

    yield client
    for one in opened:
        one.http.close()


@pytest.fixture
def alice(clients, alice_there) -> Client:
    return clients(alice_there)


@pytest.fixture
def bob(clients, bob_there) -> Client:
    return clients(bob_there)


@pytest.fixture
def nobody(clients) -> Client:
    return clients()


@pytest.fixture
def app(alice_there) -> str:
    return f"{alice_there.name}/app"


@pytest.fixture
def secret(alice, alice_there) -> str:
    """A private repository of hers, with an image."""
    alice_there.web.post(
        "/repositories/new", name="secret", is_private="True", description="not for bob"
    )
    alice.image(f"{alice_there.name}/secret", "1.0", "confidential")
    return f"{alice_there.name}/secret"


# --- Before all ---------------------------------------------------------------------------


def test_the_index_says_what_it_speaks_and_where_tokens_are(index, nobody):
    answer = nobody.http.get("/v2/")
    assert answer.status_code == 401
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert answer.headers["WWW-Authenticate"].startswith(f'Bearer realm="{index.url}/token"')
    assert code_of(answer) == "UNAUTHORIZED"


# --- Pull ---------------------------------------------------------------------------------


def test_what_is_not_there_is_said_by_its_code(alice, app):
    alice.image(app, "1.0")
    for address, code in [
        (f"/v2/{app}/manifests/2.0", "MANIFEST_UNKNOWN"),
        (f"/v2/{app}/manifests/{ABSENT}", "MANIFEST_UNKNOWN"),
        (f"/v2/{app}/blobs/{ABSENT}", "BLOB_UNKNOWN"),
    ]:
        answer = alice("GET", address)
        assert (answer.status_code, code_of(answer)) == (404, code), address
        head = alice("HEAD", address)
        assert (head.status_code, head.content) == (404, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_manifest_is_the_same_by_its_tag_and_by_its_digest(alice, nobody, app, method):
    digest = alice.image(app, "1.0")
    for reference in ["1.0", digest]:
        answer = nobody(method, f"/v2/{app}/manifests/{reference}", headers={"Accept": MANIFEST})
        assert answer.status_code == 200
        assert answer.headers["Docker-Content-Digest"] == digest
        assert answer.headers["Content-Type"] == MANIFEST
        if method == "GET":
            assert digest_of(answer.content) == digest
            assert answer.json()["mediaType"] == MANIFEST
        else:
            assert int(answer.headers["Content-Length"]) > 0


def test_a_manifest_that_the_client_has_is_not_sent_again(alice, nobody, app):
    digest = alice.image(app, "1.0")
    headers = {"Accept": MANIFEST, "If-None-Match": f'"{digest}"'}
    assert nobody("GET", f"/v2/{app}/manifests/1.0", headers=headers).status_code == 304


def test_a_blob_comes_whole_or_in_part(alice, nobody, app):
    alice.image(app, "1.0", "0123456789")
    address = f"/v2/{app}/blobs/{digest_of(b'0123456789')}"
    head = nobody("HEAD", address)
    assert (head.status_code, head.headers["Content-Length"]) == (200, "10")
    whole = nobody("GET", address)
    assert (whole.status_code, whole.content) == (200, b"0123456789")
    assert whole.headers["Docker-Content-Digest"] == digest_of(b"0123456789")
    part = nobody("GET", address, headers={"Range": "bytes=3-5"})
    assert (part.status_code, part.content) == (206, b"345")
    assert part.headers["Content-Range"] == "bytes 3-5/10"


# --- Push ---------------------------------------------------------------------------------


def test_nobody_starts_an_upload_and_bob_none_in_alices_name(alice, bob, nobody, app):
    alice.image(app, "1.0")
    assert nobody.start(app).status_code in {401, 403}
    assert bob.start(app).status_code == 403
    for stranger in [nobody, bob]:
        refused = stranger("PUT", f"/v2/{app}/manifests/1.0", content=b"{}")
        assert refused.status_code in {401, 403}
    assert alice.tags(app) == ["1.0"]


def test_a_blob_in_one_piece(alice, app):
    started = alice.start(app)
    assert started.status_code == 202
    assert started.headers["Docker-Upload-UUID"]
    done = alice("PUT", f"{started.headers['Location']}&digest={digest_of(CHUNK)}", content=CHUNK)
    assert done.status_code == 201
    assert done.headers["Location"].endswith(f"/v2/{app}/blobs/{digest_of(CHUNK)}")
    assert alice("HEAD", done.headers["Location"]).status_code == 200


def test_a_blob_whose_digest_is_another_is_not_kept(alice, app):
    location = alice.start(app).headers["Location"]
    done = alice("PUT", f"{location}&digest={ABSENT}", content=CHUNK)
    assert (done.status_code, code_of(done)) == (400, "DIGEST_INVALID")
    assert alice("HEAD", f"/v2/{app}/blobs/{ABSENT}").status_code == 404


def test_a_blob_in_chunks_that_is_asked_about_meanwhile(alice, app):
    location = alice.start(app).headers["Location"]
    chunks = [b"a" * 700, b"b" * 500]
    at = 0
    for chunk in chunks:
        headers = {
            "Content-Range": f"{at}-{at + len(chunk) - 1}",
            "Content-Type": "application/octet-stream",
        }
        sent = alice("PATCH", location, content=chunk, headers=headers)
        assert sent.status_code == 202, sent.text
        at += len(chunk)
        assert sent.headers["Range"] == f"0-{at - 1}"
        status = alice("GET", sent.headers["Location"])
        assert (status.status_code, status.headers["Range"]) == (204, f"0-{at - 1}")
        location = status.headers["Location"]
    digest = digest_of(b"".join(chunks))
    done = alice("PUT", f"{location}&digest={digest}")
    assert done.status_code == 201
    assert alice("GET", f"/v2/{app}/blobs/{digest}").content == b"".join(chunks)


def test_an_upload_is_given_up(alice, app):
    alice.image(app, "1.0")
    location = alice.start(app).headers["Location"]
    assert alice("DELETE", location).status_code == 204
    gone = alice("GET", location)
    assert (gone.status_code, code_of(gone)) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_a_blob_is_mounted_from_where_its_owner_may_pull(alice, alice_there, app):
    digest = alice.blob(app, b"to be mounted")
    other = f"{alice_there.name}/other"
    scopes = [f"repository:{other}:pull,push", f"repository:{app}:pull"]
    mounted = alice.start(other, f"?mount={digest}&from={app}", *scopes)
    assert mounted.status_code == 201
    assert mounted.headers["Location"].endswith(f"/v2/{other}/blobs/{digest}")
    assert alice("GET", f"/v2/{other}/blobs/{digest}").content == b"to be mounted"


def test_what_can_not_be_mounted_is_uploaded(alice, alice_there, app):
    alice.blob(app, b"something")
    other = f"{alice_there.name}/other"
    scopes = [f"repository:{other}:pull,push", f"repository:{app}:pull"]
    assert alice.start(other, f"?mount={ABSENT}&from={app}", *scopes).status_code == 202


def test_a_mount_from_a_private_repository_leaks_nothing(alice, bob, bob_there, secret):
    """Neither the blob nor whether it or its repository is there."""
    digest, target = digest_of(b"confidential"), f"{bob_there.name}/mine"
    missing = f"{secret.partition('/')[0]}/missing"
    answers = []
    for source, blob in [(secret, digest), (secret, ABSENT), (missing, digest), (missing, ABSENT)]:
        scopes = [f"repository:{target}:pull,push", f"repository:{source}:pull"]
        answer = bob.start(target, f"?mount={blob}&from={source}", *scopes)
        assert "Location" not in answer.headers
        text = answer.text + answer.headers["WWW-Authenticate"]
        text = text.replace(source, "SOURCE").replace(blob, "BLOB")
        # The registry names what is missing in any order.
        answers.append((answer.status_code, *sorted(re.findall(r"[\w/]+", text))))
    assert len(set(answers)) == 1, answers
    assert answers[0][0] == 401
    assert bob("HEAD", f"/v2/{target}/blobs/{digest}").status_code == 404
    # A manifest that names a blob of hers doesn't bring it here, either.
    config = b"{}"
    bob.blob(target, config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config, CONFIG),
        "layers": [descriptor(b"confidential", LAYER)],
    }
    refused = bob.manifest(target, "stolen", manifest)
    assert (refused.status_code, code_of(refused)) == PARTS_MISSING
    # And she can still pull what is hers.
    assert alice("GET", f"/v2/{secret}/blobs/{digest}").content == b"confidential"


def test_a_private_repository_is_what_is_not_there(bob, nobody, secret):
    missing = f"{secret.partition('/')[0]}/missing"
    for method, what in [
        *[("GET", "manifests/1.0"), ("HEAD", "manifests/1.0"), ("GET", "tags/list")],
        *[("GET", f"blobs/{digest_of(b'confidential')}"), ("GET", f"referrers/{ABSENT}")],
        *[("POST", "blobs/uploads/"), ("PUT", "manifests/2.0"), ("DELETE", "manifests/1.0")],
    ]:
        for stranger in [bob, nobody]:
            answers = []
            for path in [secret, missing]:
                answer = stranger(method, f"/v2/{path}/{what}")
                text = answer.text + answer.headers.get("WWW-Authenticate", "")
                text = text.replace(path, "PATH").replace(path.partition("/")[2], "NAME")
                answers.append((answer.status_code, text))
            assert answers[0] == answers[1]
            assert answers[0][0] in {401, 403}


def test_a_manifest_needs_its_parts(alice, app):
    config = b"{}"
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config, CONFIG),
        "layers": [],
    }
    refused = alice.manifest(app, "1.0", manifest)
    assert (refused.status_code, code_of(refused)) == PARTS_MISSING
    alice.blob(app, config)
    pushed = alice.manifest(app, "1.0", manifest)
    assert pushed.status_code == 201
    digest = pushed.headers["Docker-Content-Digest"]
    assert pushed.headers["Location"].endswith(f"/v2/{app}/manifests/{digest}")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"schemaVersion":2}', b"\xff"])
def test_what_is_no_manifest_is_refused(alice, app, body):
    alice.image(app, "1.0")
    headers = {"Content-Type": MANIFEST}
    refused = alice("PUT", f"/v2/{app}/manifests/1.0", content=body, headers=headers)
    assert refused.status_code in {400, 404}, refused.text
    assert alice.tags(app) == ["1.0"]


def test_a_manifest_pushed_by_a_digest_that_is_not_its_own_is_refused(alice, app):
    config = b"{}"
    alice.blob(app, config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config, CONFIG),
        "layers": [],
    }
    refused = alice.manifest(app, ABSENT, manifest)
    assert (refused.status_code, code_of(refused)) == (400, "DIGEST_INVALID")
    own = digest_of(json.dumps(manifest).encode())
    assert alice.manifest(app, own, manifest).status_code == 201


def test_an_image_index_needs_its_children(alice, app):
    child = descriptor(b"not pushed", MANIFEST)
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}
    assert alice.manifest(app, "all", index).status_code in {400, 404}
    digest = alice.image(app, "amd64")
    size = int(alice("HEAD", f"/v2/{app}/manifests/{digest}").headers["Content-Length"])
    index["manifests"] = [{"mediaType": MANIFEST, "digest": digest, "size": size}]
    assert alice.manifest(app, "all", index).status_code == 201
    headers = {"Accept": INDEX}
    assert alice("GET", f"/v2/{app}/manifests/all", headers=headers).json() == index


# --- Content discovery --------------------------------------------------------------------


def test_tags_are_sorted_and_come_in_pages(alice, nobody, app):
    for tag in ["b", "a", "B", "a.1", "latest"]:
        alice.image(app, tag)
    in_order = ["B", "a", "a.1", "b", "latest"]
    assert nobody.tags(app) == in_order
    assert nobody.tags(app, "?n=0") == []
    assert nobody.tags(app, "?last=a.1") == ["b", "latest"]
    assert nobody.tags(app, "?n=2&last=zzz") == []

    seen, address = [], f"/v2/{app}/tags/list?n=2"
    while address:
        answer = nobody("GET", address)
        seen += answer.json()["tags"]
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("Link", ""))
        address = link[1] if link else ""
    assert seen == in_order


def test_the_catalogue_holds_what_its_reader_may_pull(alice, bob, nobody, app, secret):
    alice.image(app, "1.0")

    def repositories(client: Client) -> list[str]:
        query = f"?last={app.partition('/')[0]}/&n=2"
        answer = client("GET", f"/v2/_catalog{query}", "registry:catalog:*")
        return [name for name in answer.json()["repositories"] if name in {app, secret}]

    wait_for(lambda: app in repositories(nobody), "the repository")
    assert repositories(alice) == [app, secret]
    assert repositories(bob) == repositories(nobody) == [app]


def test_referrers_are_found_by_their_subject_and_type(alice, nobody, app):
    subject_digest = alice.image(app, "1.0")
    size = int(alice("HEAD", f"/v2/{app}/manifests/1.0").headers["Content-Length"])
    subject = {"mediaType": MANIFEST, "digest": subject_digest, "size": size}
    nothing = b"{}"
    alice.blob(app, nothing)
    digests = {}
    for kind in ["signature", "sbom"]:
        artifact = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": f"application/vnd.example.{kind}",
            "config": descriptor(nothing, EMPTY),
            "layers": [descriptor(nothing, EMPTY)],
            "subject": subject,
            "annotations": {"org.example.kind": kind},
        }
        own = digest_of(json.dumps(artifact).encode())
        pushed = alice.manifest(app, own, artifact)
        assert pushed.status_code == 201, pushed.text
        digests[kind] = own

    address = f"/v2/{app}/referrers/{subject_digest}"

    def found(query: str = "") -> dict[str, dict[str, Any]]:
        answer = nobody("GET", address + query)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == INDEX
        filtered = answer.headers.get("OCI-Filters-Applied")
        assert filtered == ("artifactType" if query else None)
        return {entry["digest"]: entry for entry in answer.json()["manifests"]}

    wait_for(lambda: len(found()) == 2, "both referrers")
    assert set(found()) == set(digests.values())
    only = found("?artifactType=application/vnd.example.sbom")
    assert set(only) == {digests["sbom"]}
    assert only[digests["sbom"]]["annotations"] == {"org.example.kind": "sbom"}
    assert found("?artifactType=application/vnd.example.none") == {}


def test_nothing_refers_to_what_is_not_there(alice, nobody, app):
    alice.image(app, "1.0")
    answer = nobody("GET", f"/v2/{app}/referrers/{ABSENT}")
    assert (answer.status_code, answer.json()["manifests"]) == (200, [])


# --- Content management -------------------------------------------------------------------


def test_only_who_may_delete_deletes(alice, bob, nobody, clients, alice_there, app):
    digest = alice.image(app, "1.0")
    for other in [bob, nobody, clients(alice_there, "write")]:
        refused = other("DELETE", f"/v2/{app}/manifests/{digest}")
        assert refused.status_code in {401, 403}
    assert alice("HEAD", f"/v2/{app}/manifests/1.0").status_code == 200


def test_a_deleted_manifest_is_gone_with_its_tags(alice, nobody, app):
    digest = alice.image(app, "1.0")
    assert alice.image(app, "latest") == digest
    alice.image(app, "other", "something else")
    assert alice("DELETE", f"/v2/{app}/manifests/{digest}").status_code == 202
    for reference in ["1.0", "latest", digest]:
        answer = nobody("GET", f"/v2/{app}/manifests/{reference}", headers={"Accept": MANIFEST})
        assert (answer.status_code, code_of(answer)) == (404, "MANIFEST_UNKNOWN")
    wait_for(lambda: nobody.tags(app) == ["other"], "the list without its tags")
    again = alice("DELETE", f"/v2/{app}/manifests/{digest}")
    assert (again.status_code, code_of(again)) == (404, "MANIFEST_UNKNOWN")


def test_the_registry_deletes_no_tag_alone(alice, nobody, app):
    alice.image(app, "1.0")
    refused = alice("DELETE", f"/v2/{app}/manifests/1.0")
    assert refused.status_code in {400, 405}
    assert nobody.tags(app) == ["1.0"]


def test_a_blob_is_deleted_by_garbage_collection_and_not_by_people(alice, app):
    """Another image may need it: only the registry knows that."""
    alice.image(app, "1.0")
    answer = alice("DELETE", f"/v2/{app}/blobs/{ABSENT}")
    assert answer.status_code in {404, 405}
