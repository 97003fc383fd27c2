"""What a hostile client tries through the front door: refused in the form of its surface."""

import json
import time

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

pytestmark = pytest.mark.clients

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# Well formed, but its parts are nowhere: no registry takes it.
NOTHING = {"mediaType": MANIFEST, "digest": f"sha256:{0:064x}", "size": 2}
BODY = json.dumps(
    {"schemaVersion": 2, "mediaType": MANIFEST, "config": NOTHING, "layers": [NOTHING]}
).encode()
HOSTILE_PATHS = [
    "/v2/{alice}%2Fapp/manifests/1",
    "/v2/{alice}%252Fapp/manifests/1",
    "/v2/{alice}/app/../../{bob}/app/manifests/1",
    "/v2/{alice}/app/%2e%2e/%2e%2e/{bob}/app/manifests/1",
    "/v2/{alice}//app/manifests/1",
    "/v2/{upper}/app/manifests/1",
    "/v2/{alice}/app/deep/manifests/1",
    "/v2/{alice}/app'--/manifests/1",
    "/v2/{alice}/app%00/manifests/1",
    "/v2/{alice}/app/manifests/1%0d%0aX-Real-IP:1.2.3.4",
    "/v2/{alice}/app/manifests/" + "a" * 129,
    "/v2/" + "a" * 300 + "/manifests/1",
    "/v2/{alice}/app/manifests/sha256:short",
    "/v2/example.com:80/app/manifests/1",
    "/v2/%ff%fe/manifests/1",
]


@pytest.fixture
def client(index):
    with httpx.Client(base_url=index.url, timeout=20) as client:
        yield client


def token_for(index, person, *scopes: str) -> str:
    answer = httpx.get(
        f"{index.url}/token",
        params=[("service", index.host), *[("scope", scope) for scope in scopes]],
        auth=(person.name, person.token),
    )
    return answer.json()["token"]


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_no_hostile_address_writes_anything(index, inside, client, alice_there, bob_there, path):
    names = {"alice": alice_there.name, "bob": bob_there.name, "upper": alice_there.name.title()}
    bearer = token_for(index, alice_there, f"repository:{alice_there.name}/app:pull,push")
    before = inside("Repository.objects.count(), PendingWrite.objects.count()")

    answer = client.put(
        path.format(**names),
        content=BODY,
        headers={"Authorization": f"Bearer {bearer}", "Content-Type": MANIFEST},
    )

    assert 400 <= answer.status_code < 500, answer.text
    # An address that means alice's own repository after all is announced, and nothing more.
    after = inside("Repository.objects.count(), PendingWrite.objects.count()")
    is_her_own = path in {"/v2/{alice}%2Fapp/manifests/1", "/v2/{alice}//app/manifests/1"}
    assert after[0] == before[0] and (after[1] == before[1] or is_her_own)


@pytest.mark.parametrize("what", ["audience", "key", "expired", "none"])
def test_a_forged_registry_token_opens_nothing(index, inside, client, alice_there, what):
    path = f"{alice_there.name}/app"
    real = token_for(index, alice_there, f"repository:{path}:pull,push")
    claims = jwt.decode(real, options={"verify_signature": False})
    header = jwt.get_unverified_header(real)
    key = ec.generate_private_key(ec.SECP256R1())
    if what == "audience":
        forged = _signed_by_the_index(inside, claims | {"aud": "elsewhere.example"})
    elif what == "expired":
        forged = _signed_by_the_index(inside, claims | {"exp": int(time.time()) - 600})
    elif what == "key":
        forged = jwt.encode(claims, key, algorithm="ES256", headers={"kid": header["kid"]})
    else:
        forged = jwt.encode(claims, None, algorithm="none", headers={"kid": header["kid"]})

    for method, address in [
        ("GET", f"/v2/{path}/tags/list"),
        ("POST", f"/v2/{path}/blobs/uploads/"),
        ("PUT", f"/v2/{path}/manifests/1"),
        ("GET", "/v2/_catalog"),
    ]:
        answer = client.request(method, address, headers={"Authorization": f"Bearer {forged}"})
        assert answer.status_code == 401, (method, address, answer.text)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")


def test_the_token_of_somebody_who_is_gone_is_refused(index, inside, client, alice_there):
    bearer = token_for(index, alice_there, f"repository:{alice_there.name}/app:pull,push")
    inside(f"User.objects.get(username={alice_there.name!r}).delete()")

    answer = client.get("/token", auth=(alice_there.name, alice_there.token))
    assert answer.status_code == 401
    answer = client.put(
        f"/v2/{alice_there.name}/app/manifests/1",
        content=BODY,
        headers={"Authorization": f"Bearer {bearer}", "Content-Type": MANIFEST},
    )
    assert answer.status_code in {401, 403}, answer.text


def test_bodies_that_are_too_large_are_refused(index, client, alice_there):
    bearer = token_for(index, alice_there, f"repository:{alice_there.name}/app:pull,push")
    huge = client.put(
        f"/v2/{alice_there.name}/app/manifests/1",
        content=b"x" * (5 * 2**20),
        headers={"Authorization": f"Bearer {bearer}", "Content-Type": MANIFEST},
    )
    assert huge.status_code in {400, 413}
    assert client.post("/token", data={"scope": "x" * (2 * 2**20)}).status_code in {400, 413}
    assert client.post("/account/login/", content=b"x" * (2 * 2**20)).status_code in {400, 413}


@pytest.mark.parametrize("path", ["/gate", "/gate/", "/hooks/registry", "/%67ate"])
def test_what_is_for_the_inside_is_not_there_outside(client, path):
    assert client.get(path).status_code == 404
    assert client.post(path, json={"events": []}).status_code in {403, 404}


@pytest.mark.parametrize(
    "query",
    ["q=%00", "q=" + "a" * 5000, "q='%20OR%201=1--", "q=%25_%5C", "n=-1&page=x", "q=%E2%80%AE"],
)
def test_no_search_is_an_error(client, query):
    for surface in ["/search", "/v1/search", "/api/v1/search"]:
        assert client.get(f"{surface}?{query}").status_code in {200, 400}, surface


def _signed_by_the_index(inside, claims: dict[str, object]) -> str:
    """A token with ``claims``, signed with the index's own key as it lies in its secrets."""
    ring = "__import__('repositories.registry_tokens').registry_tokens._key_ring().current"
    sign = "__import__('jwt').encode"
    return inside(
        f"[{sign}({claims!r}, key.private_key, 'ES256', headers={{'kid': key.id}})"
        f" for key in [{ring}]][0]"
    )
