"""Pages about one's own account, and the one where an empty index gets its first staff."""

from allauth.account.utils import perform_login
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access_tokens, audit, deletion, first_staff, forms, names, pasted, security
from accounts.adapter import SessionsAdapter
from accounts.models import AccessToken, User

# Holds a new token between the form and the page that shows it, once.
NEW_TOKEN_KEY = "new_access_token"  # noqa: S105


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    # Not request.user: a form that is refused has changed its instance, and the page shows it.
    user = User.objects.get(pk=_user_of(request).pk)
    section = request.POST.get("section")
    profile = forms.ProfileForm(
        request.POST if section == "profile" else None, instance=user, prefix="profile"
    )
    pushes = forms.FirstPushesForm(request.POST if section == "pushes" else None, instance=user)
    for form in (profile, pushes):
        if form.is_valid():
            with transaction.atomic():
                user.save(update_fields=form.changed_data)
                audit.record(request, "account.changed", user, fields=form.changed_data)
            messages.success(request, _("Saved."))
            return redirect("accounts:account")
    context = {
        "profile": profile,
        "pushes": pushes,
        "token_count": AccessToken.objects.usable().filter(user=user).count(),
        "session_count": UserSession.objects.filter(user=user).count(),
    }
    return render(request, "accounts/account.html", context)


@login_required
@require_POST
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    session = get_object_or_404(UserSession, pk=pk, user=request.user)
    if session.is_current():
        return redirect("account_logout")
    SessionsAdapter().end_sessions([session])
    messages.success(request, _("The session is ended."))
    return redirect("usersessions_list")


@login_required
@require_safe
@never_cache
def security_events(request: HttpRequest) -> HttpResponse:
    user = _user_of(request)
    text = request.GET.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
    events, older = security.events_of(user, before)
    context = {
        "failures": [] if before else security.failed_sign_ins_of(user),
        "events": events,
        "older": older,
        "is_older": before is not None,
    }
    return render(request, "accounts/security.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def undo_deletion(request: HttpRequest) -> HttpResponse:
    """Where one comes who signs in to an account that waits to be deleted."""
    waiting = deletion.offered(request)
    if waiting is None:
        return redirect("account_login")
    if request.method != "POST":
        return render(request, "accounts/undo_deletion.html", {"deletion": waiting})
    if not deletion.undo(waiting.user, request):
        return redirect("account_login")  # a moment too late: he finds no account any more
    messages.success(request, _("Your account stays. Nothing of it was lost."))
    response: HttpResponse = perform_login(
        request, waiting.user, email_verification="none", redirect_url=reverse("home")
    )
    return response


# --- Access tokens --------------------------------------------------------------------------


@login_required
@require_safe
@never_cache
def tokens(request: HttpRequest) -> HttpResponse:
    kept = AccessToken.objects.filter(user=_user_of(request), revoked_at=None).select_related(
        "parent"
    )
    by_kind = {
        kind: [token for token in kept if token.kind == kind] for kind in AccessToken.Kind.values
    }
    context = {
        "personal_tokens": by_kind[AccessToken.Kind.PERSONAL],
        "device_tokens": by_kind[AccessToken.Kind.DEVICE],
    }
    return render(request, "accounts/tokens.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new_token(request: HttpRequest) -> HttpResponse:
    scope = request.GET.get("scope", AccessToken.Scope.WRITE)
    form = forms.AccessTokenForm(request.POST or None, initial={"scope": scope})
    if form.is_valid():
        _token, secret = access_tokens.create(
            _user_of(request),
            form.cleaned_data["name"],
            form.cleaned_data["scope"],
            expires_at=form.expires_at(),
            request=request,
        )
        request.session[NEW_TOKEN_KEY] = secret
        return redirect("accounts:created_token")
    return render(request, "accounts/new_token.html", {"form": form})


@login_required
@require_safe
@never_cache
def created_token(request: HttpRequest) -> HttpResponse:
    """Shows the token that was just made, and forgets it: a second look finds nothing."""
    secret = request.session.pop(NEW_TOKEN_KEY, None)
    token = access_tokens.find(secret) if secret else None
    if token is None:
        messages.info(request, _("A token is shown once. If yours is lost, make another one."))
        return redirect("accounts:tokens")
    user = _user_of(request)
    lines = pasted.pasted_for(
        settings.SITE_HOST, user.username, user.email, secret, is_https=settings.IS_HTTPS
    )
    context = {"token": token, "secret": secret, "pasted": lines}
    return render(request, "accounts/created_token.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(AccessToken, pk=pk, user=request.user, revoked_at=None)
    if request.method == "POST":
        with transaction.atomic():
            access_tokens.revoke(token, request)
        messages.success(request, _("“%(name)s” is revoked.") % {"name": token.name})
        return redirect("accounts:tokens")
    return render(request, "accounts/revoke_token.html", {"token": token})


# --- The first staff account ----------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters("password")
def first_staff_account(request: HttpRequest, secret: str) -> HttpResponse:
    if not first_staff.is_open(secret):
        return _first_staff_is_over(request)
    form = forms.FirstStaffForm(request.POST or None)
    if form.is_valid():
        try:
            user = first_staff.make_account(secret, request, **form.cleaned_data)
        except first_staff.LinkIsOver:
            return _first_staff_is_over(request)
        hint = names.old_docker_hint(user.username)
        if hint:
            messages.info(request, hint)
        # Nothing to confirm: who reads the operator's terminal is trusted with more than this.
        response: HttpResponse = perform_login(
            request, user, email_verification="none", redirect_url=reverse("home")
        )
        return response
    return render(request, "accounts/first_staff.html", {"form": form})


def _first_staff_is_over(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/first_staff_is_over.html", status=404)


def _user_of(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied  # never seen: these pages ask to sign in
    return request.user
