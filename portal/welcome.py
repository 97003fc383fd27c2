"""Prints what `make up` has to say to people, once the index answers, and ends.

Run by supervisord: ``python -m portal.welcome ADDRESS HOST FILE``. It needs the standard library
alone.
"""

import json
import ssl
import sys
import time
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

INTERVAL_SECONDS = 0.1
SAY_WHAT_IS_MISSING_AFTER_SECONDS = 20


def main() -> None:
    address, host, file = sys.argv[1:]
    last_said_at = time.monotonic()
    while missing := what_is_missing(address, host):
        if time.monotonic() - last_said_at > SAY_WHAT_IS_MISSING_AFTER_SECONDS:
            last_said_at = time.monotonic()
            print(f"Still waiting for: {missing}", flush=True)
        time.sleep(INTERVAL_SECONDS)
    print(Path(file).read_text(), flush=True)


def what_is_missing(address: str, host: str) -> str:
    """Which parts of the index don't answer yet, by /readyz; empty if all do."""
    request = Request(f"{address}/readyz", headers={"Host": host})  # noqa: S310 (our own)
    # The certificate is for its name, and this asks by its address.
    context = ssl._create_unverified_context()  # noqa: S323
    try:
        with urlopen(request, timeout=10, context=context):  # noqa: S310
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
