"""Who is let in to a user repository: invited, accepted, changed, removed.

Nothing here is cached and no token carries it: what access_to() says changes with the row. The
gate asks it before each write, so that a registry token that is still out writes nothing more;
it pulls until it ends, five minutes at most.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit, mails
from accounts.models import AuditEvent, User
from repositories.models import Collaborator, Repository

MAX_COLLABORATORS = 100  # of one repository: more isn't a group that anybody oversees
# Each invitation shows up at somebody's, and may be a mail: enough for a whole course of students.
MAX_INVITATIONS = (200, timedelta(days=1))

INVITED = "collaborator.invited"


class CannotInvite(Exception):
    """This invitation can't be made; the message says why, for people."""


def invite(
    request: HttpRequest,
    repository: Repository,
    by: User,
    *,
    user: User,
    level: Collaborator.Level | str,
) -> Collaborator:
    """Offer ``user`` a part in a user repository. Raises CannotInvite.

    Whether ``by`` may give this level is access.py's to say.
    """
    if repository.namespace is None:
        raise CannotInvite(_("A top-level repository has maintainers, whom staff name."))
    if repository.namespace.user_id == user.pk:
        raise CannotInvite(_("%(name)s owns this repository.") % {"name": user.username})
    with transaction.atomic():
        # One after the other, so that the limits hold; pushes lock this row only for a moment.
        Repository.objects.select_for_update(of=["self"]).get(pk=repository.pk)
        if repository.collaborators.filter(user=user).exists():
            problem = _("%(name)s has been invited already: change the level below.")
            raise CannotInvite(problem % {"name": user.username})
        _check_limits(by, repository)
        made = Collaborator.objects.create(
            repository=repository, user=user, level=level, invited_by=by.username
        )
        _record(request, INVITED, made)
        _tell(made, by)
    return made


def accept(request: HttpRequest, invitation: Collaborator) -> bool:
    """False if it was withdrawn, or accepted, meanwhile."""
    with transaction.atomic():
        still_open = Collaborator.objects.filter(pk=invitation.pk, accepted_at=None)
        if not still_open.update(accepted_at=Now()):
            return False
        _record(request, "collaborator.accepted", invitation)
    return True


def leave(request: HttpRequest, collaborator: Collaborator) -> None:
    """By the one himself: declines an invitation, or gives up what he may."""
    action = "collaborator.left" if collaborator.accepted_at else "collaborator.declined"
    _end(request, collaborator, action)


def remove(request: HttpRequest, collaborator: Collaborator) -> None:
    """By those who keep the repository: withdraws an invitation, or ends what was given."""
    _end(request, collaborator, "collaborator.removed")


def change_level(
    request: HttpRequest, collaborator: Collaborator, level: Collaborator.Level | str
) -> None:
    with transaction.atomic():
        others = Collaborator.objects.filter(pk=collaborator.pk).exclude(level=level)
        if others.update(level=level):
            was, collaborator.level = collaborator.level, level
            _record(request, "collaborator.changed", collaborator, was=was)


def _end(request: HttpRequest, collaborator: Collaborator, action: str) -> None:
    with transaction.atomic():
        if Collaborator.objects.filter(pk=collaborator.pk).delete()[0]:
            _record(request, action, collaborator)


def _check_limits(by: User, repository: Repository) -> None:
    if repository.collaborators.count() >= MAX_COLLABORATORS:
        problem = _("A repository has %(count)s collaborators at most.")
        raise CannotInvite(problem % {"count": MAX_COLLABORATORS})
    count, time = MAX_INVITATIONS
    invited = AuditEvent.objects.filter(
        actor_id=by.pk, at__gt=timezone.now() - time, action=INVITED
    )
    if invited.count() >= count:
        problem = _("You have invited %(count)s people since yesterday: go on tomorrow.")
        raise CannotInvite(problem % {"count": count})


def _record(
    request: HttpRequest, action: str, collaborator: Collaborator, *, was: str | None = None
) -> None:
    details = {"collaborator": collaborator.user.username, "level": str(collaborator.level)}
    if was is not None:
        details["was"] = was
    audit.record(request, action, collaborator.repository.path, values=details)


def _tell(invitation: Collaborator, by: User) -> None:
    """A mail to the invited one; not to an address that was never confirmed."""
    user = invitation.user
    if not user.email or user.must_confirm_email:
        return
    context = {
        "user": user,
        "by": by.username,
        "path": invitation.repository.path,
        "level": invitation.get_level_display(),
    }
    mails.send("repositories/email/invitation", user.email, context)
