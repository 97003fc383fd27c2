"""Jobs that belong to a row: inserted in its transaction, so never too early and never lost."""

from django.db import transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.manager import JobManager


def defer(task: str, **arguments: object) -> None:
    """Insert a job through Django's own connection, so in the transaction that is open.

    In a worker, ``task.defer()`` uses Procrastinate's pool instead: the job would be there
    before the row that it is about, and stay if the transaction is rolled back.
    """
    deferrer = app.configure_task(task, allow_unknown=False)
    deferrer.job_manager = JobManager(DjangoConnector())
    deferrer.defer(**arguments)  # type: ignore[arg-type]


def defer_once(task: str) -> None:
    """Insert a job unless one of the same task waits already."""
    deferrer = app.configure_task(task, allow_unknown=False, queueing_lock=task)
    deferrer.job_manager = JobManager(DjangoConnector())
    try:
        with transaction.atomic():
            deferrer.defer()
    except AlreadyEnqueued:
        pass  # that one will see what we saw
