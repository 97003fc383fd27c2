"""Mails about an account. Rendered where their cause is, sent by a task.

A mail server that is down or slow blocks no page and loses nothing: the job is inserted in the
transaction of what the mail tells of.
"""

from collections.abc import Mapping

from django.conf import settings
from django.http import HttpRequest
from django.template import Context, Engine
from django.utils import timezone
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.manager import JobManager

from accounts import audit, tasks
from accounts.models import AccessToken, User


def send(template: str, to: str, context: Mapping[str, object]) -> None:
    """Queue the mail of ``<template>_subject.txt``, ``_message.txt`` and ``_message.html``."""
    if not settings.SENDS_MAIL:
        return
    values = {"site_host": settings.SITE_HOST, "site_url": settings.SITE_URL, **context}
    deferrer = tasks.send_mail.configure()
    # In a worker, too, the job belongs to the transaction that is open: see repositories/jobs.py.
    deferrer.job_manager = JobManager(DjangoConnector())
    deferrer.defer(
        to=to,
        subject=" ".join(_render(f"{template}_subject.txt", values).split()),
        text=_render(f"{template}_message.txt", values).strip() + "\n",
        html=_render(f"{template}_message.html", values).strip(),
    )


def notify(
    template: str,
    user: User,
    request: HttpRequest | None,
    context: Mapping[str, object] | None = None,
    *,
    to: str = "",
) -> None:
    """Tell somebody what happened to his account, when and from where.

    Not to an address that was never confirmed: it may be a stranger's.
    """
    to = to or user.email
    if not to or user.must_confirm_email:
        return
    where = {
        "user": user,
        "at": timezone.now(),
        "address": getattr(request, "client_address", None),
        "client": audit.client_of(request),
    }
    send(template, to, {**where, **(context or {})})


def tell_of_access_token(token: AccessToken, request: HttpRequest | None) -> None:
    notify("account/email/access_token_created", token.user, request, {"token": token})


def tell_of_changed_email(user: User, request: HttpRequest | None, old: str, new: str) -> None:
    """At the old address, too, should that be the only one that he can still read."""
    for address in filter(None, [old, new]):
        context = {"from_email": old, "to_email": new}
        notify("account/email/email_changed", user, request, context, to=address)


def _render(name: str, values: Mapping[str, object]) -> str:
    context = Context(dict(values), autoescape=name.endswith(".html"))
    return Engine.get_default().get_template(name).render(context)
