import secrets
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from repositories.demo.fill import fill, is_filled, is_in_use
from repositories.models import Repository

# Enough that nobody guesses it, and short enough to type.
PASSWORD_BYTES = 9


class Command(BaseCommand):
    help = "Fill a new index with invented people, repositories and a year of pulls."

    def handle(self, *args: Any, **options: Any) -> None:
        if is_filled():
            self.stdout.write(
                "The demo is here already. To sign in as one of its people, make a link: "
                "manage.py reset_link ada"
            )
            return
        if is_in_use():
            raise CommandError(
                "This index is in use: invented people would be in the way. "
                "Start another one beside it: PORT=8081 VAR_DIR=var-demo make up"
            )
        people = fill(timezone.now())
        self.stdout.write(
            f"Made {Repository.objects.count()} repositories and {len(people)} people: "
            f"{settings.SITE_URL}/search"
        )
        if people:
            password = secrets.token_urlsafe(PASSWORD_BYTES)
            people[0].set_password(password)
            people[0].save(update_fields=["password"])
            self.stdout.write(
                f"Sign in as {people[0].username} with the password {password} "
                f"at {settings.SITE_URL}/account/login/"
            )
        self.stdout.write(
            "The images are descriptions alone: the registry has no bytes of them, so that "
            "pulling one fails. What you push yourself is real."
        )
