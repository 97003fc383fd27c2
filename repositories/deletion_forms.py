"""Forms about the end of things: what may not be overwritten, what is out of use, what goes."""

import re
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from repositories.immutable import MAX_PATTERNS, BadPattern, checked
from repositories.models import Repository, Tag

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")


class ImmutableTagsForm(forms.ModelForm):  # type: ignore[type-arg]
    immutable_tags = forms.CharField(
        label=_("Immutable tags"),
        required=False,
        max_length=1000,
        help_text=_(
            "Patterns, one a line: v* or 20??-*. A tag that fits one is written once; pushing it "
            "again is refused, even the same image, and so is deleting it."
        ),
        widget=forms.Textarea(
            attrs={"rows": 3, "class": "code", "spellcheck": "false", "autocapitalize": "off"}
        ),
    )

    class Meta:
        model = Repository
        fields = ["immutable_tags"]

    def clean_immutable_tags(self) -> str:
        try:
            patterns = checked(self.cleaned_data["immutable_tags"])
        except BadPattern as error:
            raise forms.ValidationError(
                gettext("No tag can fit “%s”: a tag has letters, digits, “_”, “.” and “-”.") % error
            ) from error
        if len(patterns) > MAX_PATTERNS:
            raise forms.ValidationError(gettext("At most %s patterns.") % MAX_PATTERNS)
        return "\n".join(patterns)


class _DeprecationForm(forms.ModelForm):  # type: ignore[type-arg]
    """A switch that the row keeps as a moment, and what to use instead."""

    deprecated_at = forms.BooleanField(label=_("Deprecated"), required=False)
    successor = forms.CharField(
        label=_("Use instead"),
        required=False,
        max_length=255,
        help_text=_("A repository, as alice/new, or a whole reference with its host and tag."),
        widget=forms.TextInput(attrs={"autocapitalize": "off", "spellcheck": "false"}),
    )

    def clean_deprecated_at(self) -> datetime | None:
        if not self.cleaned_data["deprecated_at"]:
            return None
        before: datetime | None = self.initial.get("deprecated_at")
        return before or timezone.now()

    def clean_successor(self) -> str:
        successor = str(self.cleaned_data["successor"]).strip()
        if successor and not _REFERENCE.fullmatch(successor):
            raise forms.ValidationError(_("This is no reference to an image."))
        return successor.removeprefix(f"{settings.SITE_HOST}/")


class DeprecationForm(_DeprecationForm):
    class Meta:
        model = Repository
        fields = ["deprecated_at", "successor"]

    def clean_successor(self) -> str:
        successor = super().clean_successor()
        if successor == self.instance.path:
            raise forms.ValidationError(_("A repository can't come after itself."))
        return successor


class TagDeprecationForm(_DeprecationForm):
    class Meta:
        model = Tag
        fields = ["deprecated_at", "successor"]


class DeleteRepositoryForm(forms.Form):
    """Its name, typed by hand."""

    path = forms.CharField(
        label=_("Its name"),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
        ),
    )

    def __init__(self, path: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = path

    def clean_path(self) -> str:
        path = str(self.cleaned_data["path"]).strip()
        if path != self.expected:
            raise forms.ValidationError(gettext("Type %s to delete it.") % self.expected)
        return path
