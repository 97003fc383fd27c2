"""``/v1/users/``: how ``docker login`` of 2013 to 2017 signed people up, or in.

It always sends a sign-up first. The one answer ``"Username or email already exists"``, to the
byte, or a 401 makes it check the password by GET instead; what else we say, it prints. So texts
are plain English, each a JSON string. Rules and limits are those of the web form.

Source: docker 0.9.1 and 1.5.0, registry/auth.go, ``Login``.
"""

import json
import re

from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress
from allauth.core.ratelimit import consume
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables

from accounts import access_tokens, credentials, forms, mails, names
from accounts.adapter import AccountAdapter
from accounts.credentials import AccountIsOff, BadCredentials
from accounts.limits import TooManyAttempts
from accounts.models import Namespace, User

KNOWN = "Username or email already exists"
FIELDS = ("username", "email", "password")
# Old terminals and JSON's escapes make a mess of anything but ASCII.
PLAIN = str.maketrans({"“": "'", "”": "'", "’": "'", "…": "..."})


class BadRequest(Exception):
    """The body can't be understood; the message says why."""


@csrf_exempt  # whoever asks shows a name and a password each time: there is no cookie to abuse
def users(request: HttpRequest) -> HttpResponse:
    """POST signs up, GET checks a log-in."""
    with translation.override("en"):
        if request.method == "POST":
            return _sign_up(request)
        if request.method in {"GET", "HEAD"}:
            return _check_login(request)
    return _not_allowed("GET, HEAD, POST")


@csrf_exempt
def user(request: HttpRequest, name: str) -> HttpResponse:
    """PUT changes one's own password, e-mail address, or both."""
    if request.method != "PUT":
        return _not_allowed("PUT")
    with translation.override("en"):
        return _change(request, name)


@sensitive_variables("fields", "form")
def _sign_up(request: HttpRequest) -> HttpResponse:
    if not AccountAdapter(request).is_open_for_signup(request):
        return _unauthorized("Sign-up is closed here: the staff make the accounts")
    try:
        fields = _fields_of(request)
    except BadRequest as error:
        return _answer(400, str(error))
    # Before the limit: whoever logs in has signed up before, and the others of his campus may be
    # many. User names are public, so this says nothing that /u/alice doesn't.
    if _is_known(fields["username"]):
        return _answer(400, KNOWN)
    if not consume(request, action="signup"):
        return _answer(
            429, "Too many sign-ups from your address: wait a minute", {"Retry-After": "60"}
        )
    form = forms.SignupForm(
        {
            "username": fields["username"],
            "email": fields["email"],
            "password1": fields["password"],
        }
    )
    if not form.is_valid():
        is_known = form.has_error("email", "email_taken")
        return _answer(400, KNOWN if is_known else _problems_of(form))
    new_user, _response = form.try_save(request)
    if new_user is None:
        return _answer(400, KNOWN)  # taken a moment ago
    address = EmailAddress.objects.filter(user=new_user).first()
    if settings.SENDS_MAIL and address is not None:
        send_verification_email_to_address(request, address, signup=True)
    return _answer(201, "User Created")


def _check_login(request: HttpRequest) -> HttpResponse:
    try:
        username, secret = credentials.from_basic(request.headers.get("Authorization", ""))
        credentials.authenticate(username, secret, **credentials.origin(request))
    except (BadCredentials, TooManyAttempts) as error:
        return _refusal(error)
    return _answer(200, "OK")


@sensitive_variables("fields", "changes")
def _change(request: HttpRequest, name: str) -> HttpResponse:
    try:
        person = _by_password(request)
        if names.fold(name) != person.username:
            return _answer(404, "User not found")
        fields = _fields_of(request)
    except (BadCredentials, TooManyAttempts) as error:
        return _refusal(error)
    except BadRequest as error:
        return _answer(400, str(error))
    changes: list[forms.SetPasswordForm | forms.ChangeEmailForm] = []
    if fields["password"]:
        changes.append(forms.SetPasswordForm(person, {"password1": fields["password"]}))
    if fields["email"] and fields["email"].lower() != person.email.lower():
        changes.append(forms.ChangeEmailForm(person, {"email": fields["email"]}))
    if not fields["password"] and not fields["email"]:
        return _answer(400, "Give a new password, a new email, or both")
    for form in changes:
        if not form.is_valid():
            return _answer(400, _problems_of(form))
    with transaction.atomic():
        for form in changes:
            if isinstance(form, forms.SetPasswordForm):
                form.save()
                mails.notify("account/email/password_changed", person, request)
            else:
                form.save(request)
    return HttpResponse(status=204)


def _by_password(request: HttpRequest) -> User:
    """Who shows his password: an access token never reaches what is its owner's alone."""
    username, secret = credentials.from_basic(request.headers.get("Authorization", ""))
    if access_tokens.looks_like_one(secret):
        raise BadCredentials("this needs your password: an access token can't change an account")
    return credentials.authenticate_password(username, secret, **credentials.origin(request))


def _is_known(username: str) -> bool:
    """Whether this is somebody's name, was once, or is somebody's e-mail address."""
    name = names.fold(username)
    if "@" in name:
        return User.objects.with_email(name) is not None
    return not Namespace.is_free(name)


def _fields_of(request: HttpRequest) -> dict[str, str]:
    """The texts that docker sends; what it leaves out is empty. Raises BadRequest."""
    try:
        body = json.loads(request.body)
    except RequestDataTooBig as error:
        raise BadRequest("The request is too large") from error
    except (ValueError, RecursionError) as error:
        raise BadRequest("The request isn't JSON") from error
    if not isinstance(body, dict):
        raise BadRequest("The request isn't a JSON object")
    fields = {name: body.get(name) or "" for name in FIELDS}
    for name, value in fields.items():
        # PostgreSQL takes no NUL, UTF-8 no lone surrogate.
        if not isinstance(value, str) or re.search(r"[\0\ud800-\udfff]", value):
            raise BadRequest(f"The {name} isn't text")
        if len(value) > credentials.MAX_SECRET_LENGTH:
            raise BadRequest(f"The {name} is too long")
    return fields


def _problems_of(form: BaseForm) -> str:
    """All that the form says, in one line, with the field's name where the text has none."""
    problems = []
    for name, errors in form.errors.get_json_data().items():
        label = {"password1": "Password", "email": "Email", "username": "Username"}.get(name)
        text = " ".join(str(error["message"]) for error in errors)
        problems.append(f"{label}: {text}" if label else text)
    return " ".join(problems).translate(PLAIN)


def _refusal(error: BadCredentials | TooManyAttempts) -> HttpResponse:
    if isinstance(error, TooManyAttempts):
        return _answer(429, str(error), {"Retry-After": str(error.retry_after_seconds)})
    if isinstance(error, AccountIsOff):
        return _answer(403, str(error))
    return _unauthorized(str(error))


def _unauthorized(text: str) -> HttpResponse:
    return _answer(401, text, {"WWW-Authenticate": f'Basic realm="{settings.SITE_HOST}"'})


def _not_allowed(methods: str) -> HttpResponse:
    return _answer(405, f"This address takes {methods}", {"Allow": methods})


def _answer(status: int, text: str, headers: dict[str, str] | None = None) -> HttpResponse:
    """A JSON string without a byte around it: docker compares the whole body."""
    headers = {"Cache-Control": "no-store", **(headers or {})}
    body = json.dumps(text)
    return HttpResponse(body, status=status, headers=headers, content_type="application/json")
