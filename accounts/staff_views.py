"""Staff's pages about people. What is done to an account is a POST, and written down."""

from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts import audit, deactivation
from accounts.models import AccessToken, AuditEvent, User
from accounts.principals import Principal
from accounts.reset_links import reset_link

ACCOUNTS_PER_PAGE = 50
EVENTS_SHOWN = 20

View = Callable[..., HttpResponse]
Act = Callable[[HttpRequest, User], None]


def staff_only(view: View) -> View:
    """Strangers sign in first; people who are not staff are refused."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if not Principal.of(request).is_staff:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


def done_to_somebody_else(act: Act) -> View:
    """A view that does ``act`` to the user of that name, who is not the one who asks.

    Nobody switches himself off, or out of his office.
    """

    @staff_only
    @require_POST
    def view(request: HttpRequest, name: str) -> HttpResponse:
        user = get_object_or_404(User, username=name)
        if user == request.user:
            messages.error(request, _("Another staff member does this to your account."))
            return redirect("accounts:staff_account", name)
        with transaction.atomic():
            act(request, user)
        return redirect("accounts:staff_account", name)

    return view


@staff_only
@require_safe
def accounts(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").replace("\0", "").strip()[:100]
    people = User.objects.select_related("deletion").order_by("-date_joined", "-pk")
    if query:
        people = people.filter(
            Q(username__icontains=query) | Q(email__icontains=query) | Q(name__icontains=query)
        )
    page = Paginator(people, ACCOUNTS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "accounts/staff_accounts.html", {"page": page, "query": query})


@staff_only
@require_safe
def account(request: HttpRequest, name: str) -> HttpResponse:
    person = get_object_or_404(User, username=name)
    events = AuditEvent.objects.filter(actor_id=person.pk).order_by("-at")[:EVENTS_SHOWN]
    context = {
        "person": person,
        "is_oneself": person == request.user,
        "token_count": AccessToken.objects.usable().filter(user=person).count(),
        "events": events,
    }
    return render(request, "accounts/staff_account.html", context)


@staff_only
@require_POST
@never_cache
def make_reset_link(request: HttpRequest, name: str) -> HttpResponse:
    person = get_object_or_404(User, username=name, is_active=True)
    with transaction.atomic():
        link = reset_link(person)
        audit.record(request, "staff.reset_link_made", person.username)
    return render(request, "accounts/staff_reset_link.html", {"person": person, "link": link})


@done_to_somebody_else
def deactivate(request: HttpRequest, person: User) -> None:
    if deactivation.deactivate(person, request):
        messages.success(request, _("%(name)s is switched off.") % {"name": person})


@done_to_somebody_else
def activate(request: HttpRequest, person: User) -> None:
    if deactivation.activate(person, request):
        messages.success(request, _("%(name)s may sign in again.") % {"name": person})


@done_to_somebody_else
def make_staff(request: HttpRequest, person: User) -> None:
    # One office, with all its pages: who may do less than another could take it from him.
    if User.objects.filter(pk=person.pk).update(is_staff=True, is_superuser=True):
        audit.record(request, "staff.office_given", person.username)
        messages.success(request, _("%(name)s is staff now.") % {"name": person})


@done_to_somebody_else
def remove_staff(request: HttpRequest, person: User) -> None:
    if User.objects.filter(pk=person.pk).update(is_staff=False, is_superuser=False):
        audit.record(request, "staff.office_taken", person.username)
        messages.success(request, _("%(name)s is no longer staff.") % {"name": person})


@done_to_somebody_else
def confirm_email(request: HttpRequest, person: User) -> None:
    """For an address that staff know to be right, or an index that lost its mail server."""
    waiting = User.objects.filter(pk=person.pk, must_confirm_email=True)
    if waiting.update(must_confirm_email=False):
        audit.record(request, "staff.email_confirmed", person.username)
        messages.success(request, _("%(name)s may push now.") % {"name": person})
