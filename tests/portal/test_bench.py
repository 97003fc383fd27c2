"""What the bench measures with is what it says."""

import json
from pathlib import Path

from portal.bench import many_tags, requests, transfers
from portal.bench.index import Index
from repositories.images import Kind, read_manifest


def test_the_image_is_one_with_layers_of_the_size_it_says(tmp_path, monkeypatch):
    monkeypatch.setattr(transfers, "LAYER_BYTES", 10_000)
    transfers.make_image(tmp_path)

    blobs = tmp_path / "blobs" / "sha256"
    (named,) = json.loads((tmp_path / "index.json").read_text())["manifests"]
    manifest = (blobs / named["digest"].removeprefix("sha256:")).read_bytes()
    contents = read_manifest(manifest)
    assert contents.kind == Kind.IMAGE
    for part in contents.parts:
        assert (blobs / part.digest.removeprefix("sha256:")).stat().st_size == part.size_bytes
    assert len({part.digest for part in contents.parts}) == transfers.LAYERS + 1
    assert 0 < contents.size_bytes - transfers.LAYERS * 10_000 < 3000


def test_many_tags_are_on_their_pages(client, alice):
    many_tags.fill("alice", tags=60)
    address = f"/r/alice/{many_tags.NAME}"
    page = client.get(f"{address}/tags").context["page"]
    assert [tag.name for tag in page.rows[0].tags] == ["v1.0", "v1.1"]
    assert len(page.rows) == 25 and page.after
    assert client.get(f"{address}/tags/v1.5").status_code == 200
    assert len(client.get(f"{address}/tags/v1.5/history").context["history"].periods) == 1
    targets = requests.targets(Index("http://localhost", Path(), None, "", ""))
    (digest,) = [target.path for target in targets if target.name == "digest page"]
    assert client.get(digest).status_code == 200


def test_cost_is_in_empty_requests():
    report = {"requests": 400, "microseconds": 2_000_000, "p50": 5000, "failures": 1}
    reports = [{**report, "p99": 9000}, {**report, "p99": 70_000}]
    figures = requests.figures_of("/token", reports, empty_rate=1000)
    assert figures.requests_per_second == 200
    assert (figures.p50_ms, figures.p99_ms) == (5, 70)
    assert figures.cost == 5
    assert figures.failures == 2
