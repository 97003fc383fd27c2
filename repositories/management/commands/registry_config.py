"""Prints a complete configuration for the registry: the one that `make up` uses."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from repositories.registry_config import render, settings_of


class Command(BaseCommand):
    help = "Prints a complete configuration for CNCF Distribution. It holds secrets."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--distribution", type=int, choices=[2, 3], default=2)

    def handle(self, *args: Any, distribution: int, **options: Any) -> None:
        self.stdout.write(render(settings_of(distribution)), ending="")
