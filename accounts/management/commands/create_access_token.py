from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from accounts import access_tokens, names
from accounts.models import AccessToken, User

MAX_DAYS = 3650  # ten years, as on the page


class Command(BaseCommand):
    help = "Make an access token. It is printed once, alone on the last line of the output."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name of the owner")
        parser.add_argument("--name", required=True, help="what the token is for")
        parser.add_argument(
            "--scope",
            required=True,
            choices=AccessToken.Scope.values,
            help="what it may do; each includes the ones before it",
        )
        parser.add_argument("--expires-days", type=int, metavar="D", help="without: never expires")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=names.fold(options["user"])).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']!r}.")
        if not user.is_active:
            raise CommandError(f"The account {user.username!r} is switched off.")
        name, days = options["name"].strip(), options["expires_days"]
        if not 1 <= len(name) <= 80:
            raise CommandError("--name has 1 to 80 characters.")
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise CommandError(f"--expires-days is a number from 1 to {MAX_DAYS}.")
        expires_at = timezone.now() + timedelta(days=days) if days else None
        with transaction.atomic():
            _token, secret = access_tokens.create(
                user, name, options["scope"], expires_at=expires_at
            )
        until = f"until {expires_at:%Y-%m-%d}" if expires_at else "for ever"
        self.stdout.write(
            f"Token {name!r} of {user.username} may {options['scope']}, {until}. "
            "It is not shown again:"
        )
        self.stdout.write(secret)
