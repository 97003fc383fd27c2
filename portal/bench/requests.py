"""How many requests a second, and how long one takes, with many at once."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import httpx

from portal.bench import many_tags
from portal.bench.index import USERNAME, CannotMeasure, Index, run

CONNECTIONS = 32
SECONDS = 4
ROUNDS = 2  # of everything, so that a hiccup of the machine doesn't hit one address alone
REPORT = Path(__file__).parent / "report.lua"
# Others are compared with this one: the whole middleware, and an empty view.
EMPTY = "/healthz"


# Pages of many tags are about how long one takes, and not about how many wait for others.
FEW_CONNECTIONS = 2
MAX_P99_MS, MAX_P99_MS_OF_FEW = 60, 30


@dataclass(frozen=True)
class Target:
    name: str
    path: str
    headers: Mapping[str, str]
    connections: int = CONNECTIONS


@dataclass(frozen=True)
class Figures:
    """``cost`` is how many empty requests could be answered in the same time."""

    name: str
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    failures: int
    cost: float
    connections: int = CONNECTIONS

    @property
    def max_p99_ms(self) -> int:
        return MAX_P99_MS if self.connections == CONNECTIONS else MAX_P99_MS_OF_FEW


def targets(index: Index) -> list[Target]:
    many = f"/r/{USERNAME}/{many_tags.NAME}"
    digest = f"sha256:{hashlib.sha256(b'5').hexdigest()}"
    token = f"/token?service={index.host}&scope=repository:nginx:pull"
    return [
        Target(EMPTY, EMPTY, {}),
        Target("/token, anonymous", token, {}),
        Target("/token, access token", token, _basic(index.access_token)),
        Target("/token, remembered password", token, _basic(index.password)),
        Target("/v1/search", "/v1/search?q=nginx&n=25", {}),
        Target("repository page", "/_/nginx", {}),
        Target("100,000 tags: newest", f"{many}/tags", {}, FEW_CONNECTIONS),
        Target(
            "100,000 tags: in the middle",
            f"{many}/tags?sort=name&after=v1.50000",
            {},
            FEW_CONNECTIONS,
        ),
        Target("100,000 tags: pulls", f"{many}/tags?sort=pulls", {}, FEW_CONNECTIONS),
        Target("100,000 tags: filter", f"{many}/tags?q=4999", {}, FEW_CONNECTIONS),
        Target("tag page", f"{many}/tags/v1.5", {}, FEW_CONNECTIONS),
        Target("tag history", f"{many}/tags/v1.5/history", {}, FEW_CONNECTIONS),
        Target("digest page", f"/digest/{digest}", {}, FEW_CONNECTIONS),
    ]


def measure(index: Index) -> list[Figures]:
    """Raises CannotMeasure if an address doesn't answer 200."""
    found = targets(index)
    for target in found:
        # Also hashes the password, once, before it is remembered.
        response = httpx.get(index.url + target.path, headers=target.headers, timeout=30)
        if response.status_code != 200:
            raise CannotMeasure(f"{target.path} answers {response.status_code}, not 200")
    reports: dict[str, list[dict[str, int]]] = {target.name: [] for target in found}
    for _ in range(ROUNDS):
        for target in found:
            reports[target.name].append(_wrk(index.url + target.path, target))
    empty_rate = mean(_rate(report) for report in reports[EMPTY])
    return [
        figures_of(target.name, reports[target.name], empty_rate, target.connections)
        for target in found
    ]


def figures_of(
    name: str,
    reports: list[dict[str, int]],
    empty_rate: float,
    connections: int = CONNECTIONS,
) -> Figures:
    rate = mean(_rate(report) for report in reports)
    return Figures(
        name,
        requests_per_second=round(rate, 1),
        p50_ms=round(mean(report["p50"] for report in reports) / 1000, 1),
        p99_ms=round(max(report["p99"] for report in reports) / 1000, 1),
        failures=sum(report["failures"] for report in reports),
        cost=round(empty_rate / rate, 2),
        connections=connections,
    )


def _rate(report: dict[str, int]) -> float:
    return report["requests"] / report["microseconds"] * 1e6


def _wrk(url: str, target: Target) -> dict[str, int]:
    command = ["wrk", "-t2", f"-c{target.connections}", f"-d{SECONDS}s", "--timeout=10s"]
    for name, value in target.headers.items():
        command += ["-H", f"{name}: {value}"]
    output = run([*command, "-s", str(REPORT), url])
    report: dict[str, int] = json.loads(output.splitlines()[-1])
    return report


def _basic(secret: str) -> dict[str, str]:
    value = base64.b64encode(f"{USERNAME}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {value}"}
