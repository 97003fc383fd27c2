import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from portal.bench import requests, transfers
from portal.bench.index import CannotMeasure, running_index

# What we aim at; where it is missed, the table says so.
MAX_TOKEN_COST = 5
MAX_TRANSFER_RATIO = 1.2


class Command(BaseCommand):
    help = "Start an index beside yours, measure it, and write bench.json into VAR_DIR."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="bench-", dir=settings.VAR_DIR))
        folder.chmod(0o711)  # the database's user passes through
        try:
            self.stdout.write("Starting an index to measure; this takes some two minutes.")
            with running_index(folder) as index:
                memory = round(index.memory_megabytes())
                of_requests = requests.measure(index)
                self._print_requests(of_requests, memory)
                of_transfers = transfers.measure(index, folder)
                self._print_transfers(of_transfers)
        except CannotMeasure as error:
            raise CommandError(str(error)) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        file = settings.VAR_DIR / "bench.json"
        report = {
            "at": timezone.now().isoformat(),
            "processors": os.cpu_count(),
            "connections": requests.CONNECTIONS,
            "memory_megabytes": memory,
            "requests": [asdict(figures) for figures in of_requests],
            "transfers": [asdict(figures) for figures in of_transfers],
        }
        file.write_text(json.dumps(report, indent=2) + "\n")
        self.stdout.write(f"\nWritten to {file}")

    def _print_requests(self, rows: list[requests.Figures], memory: int) -> None:
        self.stdout.write(
            f"\nMemory of all processes, before: {memory} MB"
            f"\n{requests.CONNECTIONS} connections ({requests.FEW_CONNECTIONS} to pages of tags), "
            f"{os.cpu_count()} processors. "
            f"Cost: empty requests ({requests.EMPTY}) in the same time.\n\n"
            f"{'':30}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}{'failures':>10}{'cost':>8}"
        )
        for row in rows:
            missed = [
                "failures" * (row.failures > 0),
                f"p99 above {row.max_p99_ms} ms" * (row.p99_ms > row.max_p99_ms),
                f"cost above {MAX_TOKEN_COST}"
                * (row.name.startswith("/token") and row.cost > MAX_TOKEN_COST),
            ]
            self.stdout.write(
                f"{row.name:30}{row.requests_per_second:12.0f}{row.p50_ms:10.1f}"
                f"{row.p99_ms:10.1f}{row.failures:10}{row.cost:8.2f}  {_missed(missed)}".rstrip()
            )

    def _print_transfers(self, rows: list[transfers.Figures]) -> None:
        self.stdout.write(f"\n{'':30}{'index s':>12}{'bare s':>10}{'ratio':>10}")
        for row in rows:
            missed = [f"above {MAX_TRANSFER_RATIO}" * (row.ratio > MAX_TRANSFER_RATIO)]
            self.stdout.write(
                f"{row.name:30}{row.index_seconds:12.2f}{row.bare_seconds:10.2f}"
                f"{row.ratio:10.2f}  {_missed(missed)}".rstrip()
            )


def _missed(aims: list[str]) -> str:
    """The aims that were missed; empty ones were not."""
    missed = [aim for aim in aims if aim]
    return f"missed: {', '.join(missed)}" if missed else ""
