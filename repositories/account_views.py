"""The page where one has one's account deleted: it lists what others would miss."""

from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import deletion
from accounts.forms import DeleteAccountForm
from accounts.principals import Principal
from repositories.account_deletion import with_recent_pulls
from repositories.models import Repository

# Most pulled first: who has more knows the rest.
REPOSITORIES_SHOWN = 200


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters("password")
def delete_account(request: HttpRequest) -> HttpResponse:
    user = Principal.of(request).user
    if user is None:
        raise PermissionDenied
    form = DeleteAccountForm(user, request, request.POST or None)
    if form.is_valid():
        try:
            asked = deletion.ask_for(user, request, keeps_public_images=form.keeps_public_images)
        except deletion.LastStaff:
            form.add_error(
                None, _("You are the last of the staff: make somebody else staff first.")
            )
        else:
            logout(request)
            return render(request, "repositories/account_deletion_asked.html", {"deletion": asked})
    repositories = with_recent_pulls(user)
    count = repositories.count()
    context = {
        "form": form,
        "repositories": repositories[:REPOSITORIES_SHOWN],
        "count": count,
        "rest": max(count - REPOSITORIES_SHOWN, 0),
        "kept": Repository.objects.filter(maintainers=user).order_by("name"),
        "is_last_staff": deletion.is_last_staff(user),
        "undo_days": deletion.UNDO_WITHIN.days,
    }
    return render(request, "repositories/delete_account.html", context)
