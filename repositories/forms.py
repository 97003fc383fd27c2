"""Forms of a repository's pages. Who may use them is said in access.py."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import names as namespaces
from accounts.models import User
from accounts.principals import Principal
from repositories import names
from repositories.access import Action, access_to, may_create_top_level
from repositories.models import MAX_DESCRIPTION_LENGTH, MAX_README_LENGTH, Repository

MAX_MAINTAINERS = 50  # of one repository: more isn't a group that anybody oversees

VISIBILITY = [
    (False, _("Public: everybody finds and pulls it")),
    (True, _("Private: it exists for you, and those whom you let in")),
]


def _visibility_field() -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label=_("Visibility"),
        choices=VISIBILITY,
        coerce=lambda value: value in {True, "True"},
        widget=forms.RadioSelect,
        initial=False,
    )


class NewRepositoryForm(forms.Form):
    """A repository before its first push: in one's own namespace or, for staff, top-level."""

    OWN, TOP_LEVEL = "own", "top-level"

    place = forms.ChoiceField(label=_("Where"), widget=forms.RadioSelect, initial=OWN)
    name = forms.CharField(
        label=_("Name"),
        max_length=names.MAX_PATH_LENGTH,
        help_text=_("Letters a to z, digits, and “-”, “_” or “.” between them."),
        widget=forms.TextInput(attrs={"autocapitalize": "off", "spellcheck": "false"}),
    )
    description = forms.CharField(
        label=_("Description"),
        max_length=MAX_DESCRIPTION_LENGTH,
        required=False,
        help_text=_("One line, as it stands in search results."),
    )
    is_private = _visibility_field()

    def __init__(self, principal: Principal, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.principal = principal
        if may_create_top_level(principal):
            self.fields["place"].choices = [  # type: ignore[attr-defined]
                (self.OWN, gettext("In your namespace: %s/…") % principal.username),
                (self.TOP_LEVEL, gettext("Top-level: a name without a slash, kept by maintainers")),
            ]
        else:
            del self.fields["place"]

    @property
    def is_top_level(self) -> bool:
        return bool(self.cleaned_data.get("place") == self.TOP_LEVEL)

    @property
    def path(self) -> str:
        name: str = self.cleaned_data["name"]
        return name if self.is_top_level else f"{self.principal.username}/{name}"

    def clean_name(self) -> str:
        name = namespaces.fold(self.cleaned_data["name"])
        if not names.is_name(name):
            raise forms.ValidationError(
                _(
                    "A repository's name has only the letters a to z, digits, and “-”, “_” or “.” "
                    "between them: it is part of what clients pull."
                )
            )
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "name" not in cleaned:
            return cleaned
        if names.split_path(self.path) is None:
            problem = gettext("“%s” is a word that the index uses itself, or too long.")
            self.add_error("name", problem % cleaned["name"])
            return cleaned
        access = access_to(self.principal, self.path)
        if access.repository is not None:
            self.add_error("name", self.exists_already())
        elif not self.is_top_level and not access.allows(Action.PUSH):
            raise forms.ValidationError(
                _("Confirm your e-mail address first: then you may push, and make repositories.")
            )
        if self.is_top_level and cleaned.get("is_private"):
            self.add_error("is_private", _("Top-level repositories are there for everybody."))
        return cleaned

    def exists_already(self) -> str:
        return gettext("There is a repository %s already.") % self.path


class DescriptionForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Repository
        fields = ["description"]
        help_texts = {"description": _("One line, as it stands in search results.")}


class VisibilityForm(forms.ModelForm):  # type: ignore[type-arg]
    is_private = _visibility_field()

    class Meta:
        model = Repository
        fields = ["is_private"]


class ReadmeForm(forms.ModelForm):  # type: ignore[type-arg]
    readme = forms.CharField(
        label=_("README"),
        max_length=MAX_README_LENGTH,
        required=False,
        strip=False,
        help_text=_(
            "Markdown with tables and task lists. Pictures by https; links to files of a source "
            "repository have no target here."
        ),
        widget=forms.Textarea(attrs={"rows": 20, "class": "code", "spellcheck": "true"}),
    )

    class Meta:
        model = Repository
        fields = ["readme"]

    def clean_readme(self) -> str:
        """Browsers send CRLF; what is stored has the ends that files have."""
        text: str = self.cleaned_data["readme"]
        return text.replace("\r\n", "\n")


class MaintainersForm(forms.Form):
    """Who pushes to a top-level repository, by user name."""

    maintainers = forms.CharField(
        label=_("Maintainers"),
        required=False,
        max_length=MAX_MAINTAINERS * (namespaces.MAX_LENGTH + 2),
        help_text=_("User names, separated by spaces or commas. They alone push, and change this."),
        widget=forms.TextInput(attrs={"autocapitalize": "off", "spellcheck": "false"}),
    )

    def clean_maintainers(self) -> list[User]:
        wanted = {namespaces.fold(name) for name in _words(self.cleaned_data["maintainers"])}
        if len(wanted) > MAX_MAINTAINERS:
            raise forms.ValidationError(
                gettext("At most %s maintainers keep a repository.") % MAX_MAINTAINERS
            )
        found = list(User.objects.filter(username__in=wanted, is_active=True).order_by("username"))
        unknown = sorted(wanted - {user.username for user in found})
        if unknown:
            raise forms.ValidationError(
                gettext("There is no user with the name %s.") % ", ".join(unknown)
            )
        return found


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text) if word]
