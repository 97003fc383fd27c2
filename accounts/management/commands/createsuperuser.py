"""Django's command, with our grammar of names: a superuser has a namespace like everybody."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts import audit, names
from accounts.models import Namespace, User


class Command(createsuperuser.Command):
    help = "Make a staff account. Its user name is a namespace, and can't be changed later."

    name = ""

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        user = User.objects.filter(username=self.name).first()
        if user is not None:  # None: there was no terminal to ask for a name
            audit.record(None, "staff.created_by_command", user.username)
            if options["verbosity"] >= 1 and (hint := names.old_docker_hint(user.username)):
                self.stdout.write(hint)

    def _validate_username(
        self, username: str, verbose_field_name: str, database: str
    ) -> str | None:
        check = super()._validate_username  # type: ignore[misc]  # unknown to the stubs
        problem: str | None = check(username, verbose_field_name, database)
        if problem:
            return problem
        self.name = names.fold(username)
        try:
            Namespace.check_free_for(self.name)
        except ValidationError as error:
            return " ".join(error.messages)
        return None
