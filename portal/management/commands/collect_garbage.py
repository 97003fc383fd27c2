"""Frees the space of what nobody can pull any more."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from portal import registry_binary
from repositories import garbage, registry_config
from repositories.garbage import CollectionFailed, Collector, Garbage
from repositories.registry import RegistryUnavailable


class Command(BaseCommand):
    help = (
        "Frees the space of layers that no image needs any more. Pulls go on; pushes are refused "
        "meanwhile, and told so. What was deleted in the last 7 days can still be undone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be freed")
        parser.add_argument("--yes", action="store_true", help="don't ask")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if settings.REGISTRY_URL:
                self._by_hand(is_dry=options["dry_run"])
            else:
                self._embedded(is_dry=options["dry_run"], is_agreed=options["yes"])
        except (CollectionFailed, RegistryUnavailable, registry_binary.NoRegistry) as error:
            raise CommandError(str(error)) from error

    def _embedded(self, *, is_dry: bool, is_agreed: bool) -> None:
        collector = _collector()
        found = collector.find()
        self.stdout.write(f"No image needs {_said(found)}.")
        if is_dry or not found.sizes:
            return
        if not is_agreed and not self._agrees():
            self.stdout.write("Nothing was removed.")
            return
        freed = self._collect(collector, found)
        self.stdout.write(f"Freed: {_said(freed)}. Pushes go on.")

    def _agrees(self) -> bool:
        self.stdout.write("Pushes are refused while it is removed, and pulls go on.")
        return input("Remove it? [y/N] ").strip().lower() in {"y", "yes"}

    def _collect(self, collector: Collector, found: Garbage) -> Garbage:
        collection = garbage.begin()
        freed, problem, has_begun = Garbage(), "it was stopped", False
        try:
            self.stdout.write("Pushes are refused from now on; waiting for those under way.")
            garbage.wait_for_writes(collection, collector, self.stdout.write)
            self.stdout.write("Removing.")
            has_begun = True
            freed = collector.remove(found, lambda: garbage.keep_alive(collection))
            problem = ""
        except CollectionFailed as error:
            problem = str(error)
            raise
        finally:
            if has_begun:
                # Should this fail, the gate stays shut, and a worker tries again.
                garbage.restart_registry()
            garbage.end(collection, freed=freed, problem=problem)
        return freed

    def _by_hand(self, *, is_dry: bool) -> None:
        """The registry runs elsewhere: we shut the gate, and somebody runs the collector there."""
        command = "registry garbage-collect CONFIGURATION"
        if is_dry:
            self.stdout.write(f"The registry runs elsewhere. There:  {command} --dry-run")
            return
        collection = garbage.begin(alive_for=garbage.ALIVE_FOR_BY_HAND)
        problem = "it was stopped"
        try:
            self.stdout.write("Pushes are refused from now on; waiting for those under way.")
            garbage.wait_for_writes(collection, None, self.stdout.write)
            garbage.keep_alive(collection, alive_for=garbage.ALIVE_FOR_BY_HAND)
            self.stdout.write(
                "Now, where the registry runs, within 6 hours and without --delete-untagged:\n\n"
                f"  {command}\n\n"
                "Then restart each of its replicas, and flush its redis if it has one: they "
                "remember what is gone."
            )
            input("Press Enter when that is done, and pushes go on. ")
            problem = ""
        finally:
            garbage.end(collection, problem=problem)


def _collector() -> Collector:
    configuration = settings.RUN_DIR / "registry.yml"
    if not configuration.exists():
        raise CollectionFailed("the index doesn't run: start it with `make up` first.")
    program = registry_binary.find_or_fetch(Path(settings.VAR_DIR), settings.REGISTRY_BIN)
    version = registry_binary.version_of(program)
    return Collector(program, configuration, registry_config.settings_of(version).storage)


def _said(found: Garbage) -> str:
    return f"{len(found.sizes)} blobs, {filesizeformat(found.size_bytes)}"
