from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from repositories.registry import RegistryUnavailable
from repositories.sync import sync_registry


class Command(BaseCommand):
    help = (
        "Compare the index with the registry: add what is missing here, mark what is missing there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--remove-many",
            action="store_true",
            help="remove tags that two runs found missing even if they are more than 1 %% of all",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = sync_registry(remove_many=options["remove_many"])
        except RegistryUnavailable as error:
            raise CommandError(
                f"The registry can't be read, so nothing was removed: {error}"
            ) from error
        self.stdout.write(
            f"{result.repositories} repositories in the registry; tags: {result.added} added or "
            f"corrected, {len(result.missing)} missing there, {result.removed} removed."
        )
        for failure in result.failures:
            self.stderr.write(f"could not be read: {failure}")
        if result.kept:
            self.stderr.write(
                f"{result.kept} tags would be removed, more than 1 %: none was. If they are really "
                "gone, run this again with --remove-many."
            )
