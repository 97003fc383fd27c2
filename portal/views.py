"""Home, health and error pages."""

from pathlib import Path

from django.contrib.auth.decorators import login_required
from django.contrib.staticfiles import finders
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.principals import Principal
from portal import readiness
from repositories import commands, highlights
from repositories.models import Collaborator, GarbageCollection, Repository, repository_url

OWN_COUNT = 6  # of the repositories on the home page that one has a part in
INVITATION_COUNT = 20  # more come up as these are answered
EXAMPLE_NAME = "app"  # of the first repository, in the commands that a newcomer pastes
FAVICON_SECONDS = 24 * 3600
# Whoever asks here reads JSON.
FOR_PROGRAMS = ("/api/", "/v1/", "/v2/", "/token", "/gate", "/hooks/")


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    user = Principal.of(request).user
    own: list[Repository] = []
    has_pushed = False
    invitations: list[Collaborator] = []
    if user is not None:
        invitations = list(Collaborator.objects.open_invitations(user)[:INVITATION_COUNT])
        # New ones, which wait for their first push, come first.
        newest_push = F("pushed_at").desc(nulls_first=True)
        let_in = Collaborator.objects.accepted().filter(user=user).values("repository")
        mine = Repository.objects.filter(Q(namespace__user=user) | Q(pk__in=let_in))
        own = list(mine.select_related("namespace").order_by(newest_push, "name")[:OWN_COUNT])
        ours = f"{user.username}/"
        has_pushed = any(one.pushed_at for one in own if one.path.startswith(ours))
    context = {
        "top_level": highlights.top_level(),
        "rising": highlights.rising(),
        "newest": highlights.newest(),
        "invitations": invitations,
        "own": own,
        "has_pushed": has_pushed,
        **(_first_push(user.username) if user else {}),
    }
    return render(request, "home.html", context)


def _first_push(username: str) -> dict[str, object]:
    path = f"{username}/{EXAMPLE_NAME}"
    return {"steps": commands.push_steps(path, username), "first_page": repository_url(path)}


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Django answers. Touches nothing else: it is also the empty view of the bench."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    checks = readiness.checks()
    return JsonResponse(checks, status=200 if all(checks.values()) else 503)


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    return render(request, "robots.txt", content_type="text/plain")


@require_safe
@cache_control(public=True, max_age=FAVICON_SECONDS)
def favicon(request: HttpRequest) -> HttpResponse:
    """For whoever asks at the old address; pages name the SVG themselves."""
    logo = Path(str(finders.find("gantry.svg"))).read_bytes()
    return HttpResponse(logo, content_type="image/svg+xml")


@login_required
@require_safe
def staff(request: HttpRequest) -> HttpResponse:
    if not Principal.of(request).is_staff:
        raise PermissionDenied
    context = {
        "account_count": User.objects.count(),
        "top_level_count": Repository.objects.filter(namespace=None).count(),
        "last_freed": GarbageCollection.objects.last_freed(),
    }
    return render(request, "staff.html", context)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 400, "This request can't be understood.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 403, "You may not do this.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 404, "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Made without the request: what failed may be the database that knows its user."""
    if request.path.startswith(FOR_PROGRAMS):
        return JsonResponse({"detail": "The index has failed. Try again later."}, status=500)
    return HttpResponse(render_to_string("500.html"), status=500)


def _error(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    if request.path.startswith(FOR_PROGRAMS):
        return JsonResponse({"detail": detail}, status=status)
    return render(request, f"{status}.html", status=status)
