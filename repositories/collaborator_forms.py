"""Forms of the page *Who may do what*."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import names as namespaces
from accounts.models import User
from repositories import names
from repositories.access import Access, Action, Level

NAME_INPUT = {"autocapitalize": "off", "spellcheck": "false", "autocomplete": "off"}


class UsernameField(forms.CharField):
    """A user name; its value is the user, or None where it is left empty."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs=NAME_INPUT)
        super().__init__(max_length=namespaces.MAX_LENGTH, widget=widget, **kwargs)

    def clean(self, value: Any) -> User | None:
        name = namespaces.fold(super().clean(value) or "")
        if not name:
            return None
        user = User.objects.filter(username=name).first()
        if user is None:
            raise forms.ValidationError(gettext("There is no user with the name %s.") % name)
        return user


class InvitationForm(forms.Form):
    user = UsernameField(label=_("User name"))
    level = forms.ChoiceField(label=_("Level"), widget=forms.RadioSelect, initial=Level.PULL)

    def __init__(self, access: Access, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["level"].choices = grantable(access)  # type: ignore[attr-defined]

    def clean_user(self) -> User | None:
        user: User | None = self.cleaned_data["user"]
        if user is not None and not user.is_active:
            raise forms.ValidationError(
                gettext("There is no user with the name %s.") % user.username
            )
        return user


class QuestionForm(forms.Form):
    """*Can bob pull alice/app:1.0?*"""

    user = UsernameField(
        label=_("User name"), required=False, help_text=_("Empty: somebody who has not logged in.")
    )
    action = forms.ChoiceField(
        label=_("May"),
        choices=[
            (Action.PULL.value, _("pull")),
            (Action.PUSH.value, _("push")),
            (Action.DELETE.value, _("delete")),
        ],
    )
    tag = forms.CharField(
        label=_("Tag"),
        required=False,
        max_length=128,
        widget=forms.TextInput(attrs=NAME_INPUT),
    )

    def clean_tag(self) -> str:
        tag: str = self.cleaned_data["tag"]
        if tag and not names.is_tag(tag):
            raise forms.ValidationError(gettext("This can’t be a tag."))
        return tag


def grantable(access: Access) -> list[tuple[str, Any]]:
    """The levels that this reader may give, as choices."""
    return [(level.value, level.label) for level in Level if access.may_grant(level)]
