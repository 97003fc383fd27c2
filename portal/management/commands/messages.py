"""``manage.py messages``: collect the texts to translate; with ``--check``, say what is missing."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal import translations


class Command(BaseCommand):
    help = "Brings locale/ in line with the texts in the code, and says what to translate."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="change nothing; fail if a text is missing"
        )

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        found = 0
        texts = translations.collected()
        for locale in translations.locales():
            source = translations.source_of(locale)
            catalog = translations.read(source) if check else translations.update(locale, texts)
            for problem in translations.problems(catalog, texts):
                found += 1
                self.stderr.write(f"{locale}: {problem}")
        if check and found:
            raise CommandError(f"{found} to translate: call `make messages`, then edit locale/.")
