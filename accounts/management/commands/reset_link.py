from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts import audit, names
from accounts.models import User
from accounts.reset_links import reset_link


class Command(BaseCommand):
    help = "Print a link where a user chooses a new password. It works once, for three days."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name of the account")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=names.fold(options["user"])).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']!r}.")
        with transaction.atomic():
            link = reset_link(user)
            audit.record(None, "staff.reset_link_made", user.username)
        self.stdout.write(link)
