"""Prints what `make up` has to say to people, once the index answers, and ends.

Run by supervisord: ``python -m portal.welcome ADDRESS FILE``. It needs the standard library alone.
"""

import json
import sys
import time
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

INTERVAL_SECONDS = 0.1
SAY_WHAT_IS_MISSING_AFTER_SECONDS = 20


def main() -> None:
    address, file = sys.argv[1:]
    last_said_at = time.monotonic()
    while missing := what_is_missing(address):
        if time.monotonic() - last_said_at > SAY_WHAT_IS_MISSING_AFTER_SECONDS:
            last_said_at = time.monotonic()
            print(f"Still waiting for: {missing}", flush=True)
        time.sleep(INTERVAL_SECONDS)
    print(Path(file).read_text(), flush=True)


def what_is_missing(address: str) -> str:
    """Which parts of the index don't answer yet, by /readyz; empty if all do."""
    try:
        with urlopen(f"{address}/readyz", timeout=10):  # noqa: S310 (an address of our own)
            return ""
    except HTTPError as error:
        try:
            checks = json.load(error)
            return ", ".join(name for name, is_ready in checks.items() if not is_ready)
        except ValueError:
            return "portal"
    except (OSError, HTTPException):
        return "front door"


if __name__ == "__main__":
    main()
