"""`make up` ends here: prepare everything, then become supervisord."""

import signal
import sys

from django.core.management.base import BaseCommand

from portal import startup


class Command(BaseCommand):
    help = "Starts the whole index in the foreground. Ctrl-C stops it."
    requires_system_checks = []

    def handle(self, *args: object, **options: object) -> None:
        # Told to stop half-way: end the database that was started for a moment, too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            startup.run()
        except startup.CannotStart as error:
            sys.exit(f"The index does not start: {error}")
