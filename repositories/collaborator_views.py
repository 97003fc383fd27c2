"""*Who may do what* in a repository's settings, and the page of an invitation."""

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.principals import Principal
from repositories import collaborators
from repositories.access import Access, Action, Level
from repositories.collaborator_forms import InvitationForm, QuestionForm, grantable
from repositories.explanations import Explanation, explain
from repositories.models import Collaborator, Repository, repository_url
from repositories.views import access_of, found_or_404, head_of


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def who_may(request: HttpRequest, name: str, namespace: str = "") -> HttpResponse:
    """Collaborators of a user repository, and the question what somebody may do, of each."""
    access = access_of(request, namespace, name)
    found = found_or_404(access, Action.ADMIN)
    sent = request.POST.get("form", "")
    invitation = InvitationForm(access, request.POST if sent == "invite" else None)
    if not found.is_top_level and _act(request, access, found, sent, invitation):
        return redirect(request.path)
    question, explanation = _answer(request, found)
    people = found.collaborators.select_related("user").order_by("user__username")
    context = {
        **head_of(request, access, found, tab="settings"),
        "collaborators": [(person, access.may_grant(person.level)) for person in people],
        "levels": grantable(access),
        "invitation": invitation,
        "question": question,
        "explanation": explanation,
    }
    return render(request, "repositories/who_may.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """To the one who is invited, or who has accepted: what he may do, and how to end it."""
    mine = get_object_or_404(
        Collaborator.objects.select_related("repository__namespace", "user"),
        user=Principal.of(request).user,
        repository__in=Repository.objects.at(f"{namespace}/{name}"),
        repository__namespace__user__isnull=False,
    )
    path = mine.repository.path
    match request.POST.get("answer"):
        case "accept":
            if not collaborators.accept(request, mine):
                raise Http404
            messages.success(request, _("You have accepted: %(path)s.") % {"path": path})
            return redirect(repository_url(path))
        case "leave":
            collaborators.leave(request, mine)
            messages.success(request, _("You have no part in %(path)s any more.") % {"path": path})
            return redirect("home")
    return render(request, "repositories/invitation.html", {"mine": mine})


def _act(
    request: HttpRequest, access: Access, found: Repository, sent: str, form: InvitationForm
) -> bool:
    """Do what was sent; False if there is nothing to do, or the form says why it can't be."""
    if sent == "invite":
        return form.is_valid() and _invite(request, found, form)
    acts: dict[str, Callable[[HttpRequest, Access, Collaborator], None]] = {
        "level": _change_level,
        "remove": _remove,
    }
    if sent not in acts:
        return False
    username = request.POST.get("user", "").replace("\0", "")
    person = found.collaborators.select_related("user").filter(user__username=username).first()
    if person is None:
        messages.info(request, _("%(name)s has left already.") % {"name": username[:39]})
        return True
    # The repository that access_of() found has its namespace; the row's own would be asked anew.
    person.repository = found
    if not access.may_grant(person.level):
        raise PermissionDenied
    acts[sent](request, access, person)
    return True


def _invite(request: HttpRequest, found: Repository, form: InvitationForm) -> bool:
    by, user = Principal.of(request).user, form.cleaned_data["user"]
    if by is None:
        raise PermissionDenied
    try:
        collaborators.invite(request, found, by, user=user, level=form.cleaned_data["level"])
    except collaborators.CannotInvite as problem:
        form.add_error("user", str(problem))
        return False
    messages.success(
        request,
        _("%(name)s is invited, and sees it on the home page.") % {"name": user.username},
    )
    return True


def _change_level(request: HttpRequest, access: Access, person: Collaborator) -> None:
    level = request.POST.get("level", "")
    if level not in Level.values or not access.may_grant(level):
        raise PermissionDenied
    collaborators.change_level(request, person, level)
    messages.success(
        request,
        _("The level of %(name)s is “%(level)s” now.")
        % {"name": person.user.username, "level": level},
    )


def _remove(request: HttpRequest, access: Access, person: Collaborator) -> None:
    collaborators.remove(request, person)
    text = _("%(name)s has no part in it any more.") % {"name": person.user.username}
    messages.success(request, text)


def _answer(
    request: HttpRequest, repository: Repository
) -> tuple[QuestionForm, Explanation | None]:
    """The question as it was asked, if it was, and its answer if it can be understood."""
    # The page has another field for a user name.
    form = QuestionForm(request.GET if "action" in request.GET else None, auto_id="question_%s")
    if not form.is_valid():
        return form, None
    asked = form.cleaned_data
    answer = explain(repository, asked["user"], Action(asked["action"]), asked["tag"])
    return form, answer
