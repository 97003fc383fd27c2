"""Where allauth asks us: who may sign up, under which name, and what is written down."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context as allauth_context
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from accounts import access_tokens, audit, deletion, limits, mails, names
from accounts.models import AccessToken, Namespace, User
from accounts.reset_links import reset_url

MISMATCH = _("The password doesn't fit this user name or e-mail address.")


class AccountAdapter(DefaultAccountAdapter):
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": MISMATCH,
        "email_password_mismatch": MISMATCH,
        "email_taken": _("Another account has this e-mail address."),
        "duplicate_email": _("This is your e-mail address already."),
        "enter_current_password": _("This is not your current password."),
        "unknown_email": _("No account has this e-mail address."),
    }

    # --- Sign-up --------------------------------------------------------------------------

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.REGISTRATION == "open")

    def clean_username(self, username: str, shallow: bool = False) -> str:
        name = names.fold(username)
        Namespace.check_free_for(name)
        return name

    def clean_password(self, password: str, user: User | None = None) -> str:
        if access_tokens.looks_like_one(password):
            # Every client would show it as the token that it isn't.
            raise ValidationError(_("This is an access token, not a password."))
        cleaned: str = super().clean_password(password, user)
        return cleaned

    def post_login(
        self, request: HttpRequest, user: User, *, signup: bool, **kwargs: Any
    ) -> HttpResponse:
        hint = names.old_docker_hint(user.username) if signup else ""
        if hint:
            messages.info(request, hint)
        response: HttpResponse = super().post_login(request, user, signup=signup, **kwargs)
        return response

    def unstash_verified_email(self, request: HttpRequest) -> str | None:
        """As allauth's, which writes a session even where there is nothing to take out of one."""
        email: str | None = request.session.pop("account_verified_email", None)
        return email

    # --- Sign-in: the limit is the one of /token ------------------------------------------

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        limits.check(_name_given(credentials), self.get_client_ip(request))

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        limits.record_failure(
            _name_given(credentials),
            self.get_client_ip(request),
            credentials["password"],
            client=audit.client_of(request),
        )

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        """What comes after the right password of an account that is switched off."""
        if deletion.offer_undo(user, request):
            return HttpResponseRedirect(reverse("accounts:undo_deletion"))
        response: HttpResponse = super().respond_user_inactive(request, user)
        return response

    def login(self, request: HttpRequest, user: User) -> None:
        super().login(request, user)
        limits.record_success(user, self.get_client_ip(request))
        audit.record(request, "user.signed_in", user.username, user=user)

    def logout(self, request: HttpRequest) -> None:
        audit.record(request, "user.signed_out", request.user)
        super().logout(request)

    def get_client_ip(self, request: HttpRequest) -> str:
        # Not of the middleware: allauth's rows for sessions take no empty address.
        return getattr(request, "client_address", None) or limits.NOWHERE

    def is_safe_url(self, url: str) -> bool:
        """Only pages of this index, under the name that the visitor uses or its own."""
        request = allauth_context.request
        hosts = {settings.SITE_HOST, request.get_host()}
        return url_has_allowed_host_and_scheme(url, hosts, require_https=request.is_secure())

    # --- Password and e-mail address ------------------------------------------------------

    @transaction.atomic
    def set_password(self, user: User, password: str) -> None:
        user.set_password(password)
        user.save(update_fields=["password"])
        audit.record(allauth_context.request, "password.changed", user.username, user=user)
        # Whoever knew the old password may have logged in with it: out, as the other sessions.
        devices = AccessToken.objects.filter(user=user, kind=AccessToken.Kind.DEVICE, parent=None)
        for device in devices.filter(revoked_at=None):
            access_tokens.revoke(device, allauth_context.request)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("accounts:account")

    @transaction.atomic
    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        user = email_address.user
        old, new = user.email, email_address.email
        was_confirmed = not user.must_confirm_email
        if not super().confirm_email(request, email_address):
            return False
        user.must_confirm_email = False
        User.objects.filter(pk=user.pk).update(must_confirm_email=False)
        action = "email.confirmed" if old == new else "email.changed"
        audit.record(request, action, user.username, user=user, email=new)
        if old != new:
            mails.tell_of_changed_email(user, request, old if was_confirmed else "", new)
        return True

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:
        signed_in = allauth_context.request.user.is_authenticated
        return reverse("home" if signed_in else "account_login")

    # --- Mails: links lead to SITE_URL, whatever Host the request named ---------------------

    def get_reset_password_from_key_url(self, key: str) -> str:
        return reset_url(key)

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        path = reverse("account_confirm_email", args=[emailconfirmation.key])
        return f"{settings.SITE_URL}{path}"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        mails.send(template_prefix, email, context)

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        if template_prefix == "account/email/email_changed":
            return  # allauth's goes to the old address alone: confirm_email() tells both
        mails.notify(template_prefix, user, allauth_context.request, context, to=email or "")


class SessionsAdapter(DefaultUserSessionsAdapter):
    def end_sessions(self, sessions: list[UserSession]) -> None:
        for session in sessions:
            audit.record(
                allauth_context.request,
                "session.revoked",
                session.user.username,
                address=session.ip,
                client=session.user_agent,
            )
            session.end()


def _name_given(credentials: dict[str, Any]) -> str:
    """What was typed: a user name or an e-mail address."""
    return credentials.get("username") or credentials.get("email") or ""
