"""How many requests a second, and how long one takes, with many at once."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import httpx

from portal.bench.index import USERNAME, CannotMeasure, Index, run

CONNECTIONS = 32
SECONDS = 4
ROUNDS = 2  # of everything, so that a hiccup of the machine doesn't hit one address alone
REPORT = Path(__file__).parent / "report.lua"
# Others are compared with this one: the whole middleware, and an empty view.
EMPTY = "/healthz"


@dataclass(frozen=True)
class Target:
    name: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Figures:
    """``cost`` is how many empty requests could be answered in the same time."""

    name: str
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    failures: int
    cost: float


def targets(index: Index) -> list[Target]:
    token = f"/token?service={index.host}&scope=repository:nginx:pull"
    return [
        Target(EMPTY, EMPTY, {}),
        Target("/token, anonymous", token, {}),
        Target("/token, access token", token, _basic(index.access_token)),
        Target("/token, remembered password", token, _basic(index.password)),
        Target("/v1/search", "/v1/search?q=nginx&n=25", {}),
        Target("repository page", "/_/nginx", {}),
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
            reports[target.name].append(_wrk(index.url + target.path, target.headers))
    empty_rate = mean(_rate(report) for report in reports[EMPTY])
    return [figures_of(name, of_one, empty_rate) for name, of_one in reports.items()]


def figures_of(name: str, reports: list[dict[str, int]], empty_rate: float) -> Figures:
    rate = mean(_rate(report) for report in reports)
    return Figures(
        name,
        requests_per_second=round(rate, 1),
        p50_ms=round(mean(report["p50"] for report in reports) / 1000, 1),
        p99_ms=round(max(report["p99"] for report in reports) / 1000, 1),
        failures=sum(report["failures"] for report in reports),
        cost=round(empty_rate / rate, 2),
    )


def _rate(report: dict[str, int]) -> float:
    return report["requests"] / report["microseconds"] * 1e6


def _wrk(url: str, headers: Mapping[str, str]) -> dict[str, int]:
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--timeout=10s"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    output = run([*command, "-s", str(REPORT), url])
    report: dict[str, int] = json.loads(output.splitlines()[-1])
    return report


def _basic(secret: str) -> dict[str, str]:
    value = base64.b64encode(f"{USERNAME}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {value}"}
