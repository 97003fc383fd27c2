from collections.abc import Callable

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts import tasks


@pytest.fixture
def sends_mail(settings) -> None:
    """An index with a mail server."""
    settings.SENDS_MAIL = True
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    settings.ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*"]


@pytest.fixture
def queued_mails(db) -> Callable[[], list[EmailMultiAlternatives]]:
    """What the mails that wait in the queue look like when a worker sends them."""

    def send() -> list[EmailMultiAlternatives]:
        mail.outbox.clear()
        jobs = ProcrastinateJob.objects.filter(task_name=tasks.send_mail.name).order_by("id")
        for arguments in jobs.values_list("args", flat=True):
            tasks.send_mail(**arguments)
        return list(mail.outbox)

    return send
