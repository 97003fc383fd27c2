"""What people fill in: allauth's forms in our words, and our own."""

from datetime import datetime, time, timedelta
from typing import Any

from allauth.account import forms as allauth_forms
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import audit, limits, names
from accounts.models import AccessToken, Namespace, User

PASSWORD_HELP = _("At least 8 characters; not only digits, and none of the common ones.")
NAME_HELP = _(
    "2 to 39 of a to z, 0 to 9, “-” and “_”. It is the first part of your images’ names, "
    "and stays yours for good."
)


# --- Signing up and in ----------------------------------------------------------------------


class UsernameField(forms.CharField):
    """Of any length: names.py says what is wrong, and better than a validator."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", _("User name"))
        kwargs.setdefault("help_text", NAME_HELP)
        attributes = {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        super().__init__(widget=forms.TextInput(attrs=attributes), **kwargs)


class LoginForm(allauth_forms.LoginForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("User name or e-mail address")
        self.fields["login"].widget.attrs |= {"autocapitalize": "none", "autocomplete": "username"}
        self.fields["password"].help_text = ""  # the page has its own link
        _without_placeholders(self)


class SignupForm(allauth_forms.SignupForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"] = UsernameField()
        self.fields["email"].label = _("E-mail address")
        if not self.fields["email"].required:
            self.fields["email"].help_text = _("Only you and the staff see it.")
        else:
            self.fields["email"].help_text = _(
                "To be confirmed before your first push. Only you and the staff see it."
            )
        self.fields["password1"].help_text = PASSWORD_HELP
        self.order_fields(["username", "email", "password1"])
        _without_placeholders(self)

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        try:
            with transaction.atomic():
                user, response = super().try_save(request)
            return user, response
        except IntegrityError:
            name = self.cleaned_data["username"]
            if Namespace.is_free(name):
                raise
            # Somebody took it while this form was checked.
            messages.error(request, gettext("“%(name)s” was taken a moment ago.") % {"name": name})
            return None, HttpResponseRedirect(reverse("account_signup"))

    def signup(self, request: HttpRequest, user: User) -> None:
        """What allauth calls once the user is saved."""
        if settings.SENDS_MAIL:
            user.must_confirm_email = True
            user.save(update_fields=["must_confirm_email"])
        audit.record(request, "user.signed_up", user.username, user=user)


class FirstStaffForm(forms.Form):
    username = UsernameField()
    email = forms.EmailField(
        label=_("E-mail address"),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        help_text=PASSWORD_HELP,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_username(self) -> str:
        name = names.fold(self.cleaned_data["username"])
        Namespace.check_free_for(name)
        return name

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        password = data.get("password")
        if password:
            person = User(username=data.get("username", ""), email=data.get("email", ""))
            try:
                validate_password(password, person)
            except ValidationError as error:
                self.add_error("password", error)
        return data


# --- The account ----------------------------------------------------------------------------


class ResetPasswordForm(allauth_forms.ResetPasswordForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("E-mail address")
        _without_placeholders(self)

    def clean(self) -> dict[str, Any]:
        if not settings.SENDS_MAIL:
            raise ValidationError(_("This index sends no mail: its staff can make a link for you."))
        return super().clean() or {}


class _NewPassword:
    """Once is enough: the field can be shown, and a mistyped password can be reset."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.pop("password2", None)
        self.fields["password1"].label = _("New password")
        self.fields["password1"].help_text = PASSWORD_HELP
        if "oldpassword" in self.fields:
            self.fields["oldpassword"].label = _("Current password")
            self.fields["oldpassword"].help_text = ""
        _without_placeholders(self)


class ChangePasswordForm(_NewPassword, allauth_forms.ChangePasswordForm):
    pass


class SetPasswordForm(_NewPassword, allauth_forms.SetPasswordForm):
    pass


class ResetPasswordKeyForm(_NewPassword, allauth_forms.ResetPasswordKeyForm):
    pass


class ChangeEmailForm(allauth_forms.AddEmailForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("New e-mail address")
        _without_placeholders(self)

    def save(self, request: HttpRequest) -> EmailAddress:
        """The new address counts once it is confirmed; without mail, at once."""
        email = self.cleaned_data["email"]
        with transaction.atomic():
            addresses = EmailAddress.objects.filter(user=self.user)
            if settings.SENDS_MAIL:
                # The one in use stays, confirmed or not: allauth's own form would drop it.
                addresses.filter(verified=False).exclude(email=self.user.email).delete()
                address = EmailAddress.objects.create(user=self.user, email=email)
            else:
                old, self.user.email = self.user.email, email
                addresses.delete()
                address = EmailAddress.objects.create(user=self.user, email=email, primary=True)
                self.user.save(update_fields=["email"])
                audit.record(
                    request,
                    "email.changed",
                    self.user.username,
                    user=self.user,
                    email=email,
                    old=old,
                )
        if settings.SENDS_MAIL:
            send_verification_email_to_address(request, address)
        return address


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ["name", "bio"]
        widgets = {"bio": forms.Textarea(attrs={"rows": 3})}
        help_texts = {
            "name": _("Shown beside your user name. May stay empty."),
            "bio": _("A sentence or two, shown on your page."),
        }


class FirstPushesForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ["first_pushes_are_private"]


class DeleteAccountForm(forms.Form):
    """Asks for what only the owner knows, and for a name that nobody types by mistake."""

    KEEP, REMOVE = "keep", "remove"

    public_images = forms.ChoiceField(
        label=_("Your public images"),
        choices=[
            (KEEP, _("Keep them: everybody goes on pulling them, and nobody can push to them")),
            (REMOVE, _("Remove them: whoever pulls them finds nothing")),
        ],
        initial=KEEP,
        widget=forms.RadioSelect,
    )
    username = forms.CharField(
        label=_("Your user name"),
        help_text=_("Type it, so that this is no mistake."),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, user: User, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.request = request

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if names.fold(name) != self.user.username:
            raise ValidationError(
                _("This is not your user name: it is “%(name)s”."),
                params={"name": self.user.username},
            )
        return name

    def clean_password(self) -> str:
        """Raises limits.TooManyAttempts where it was guessed."""
        password: str = self.cleaned_data["password"]
        address = getattr(self.request, "client_address", None)
        limits.check(self.user.username, address)
        if not self.user.check_password(password):
            limits.record_failure(
                self.user.username, address, password, client=audit.client_of(self.request)
            )
            raise ValidationError(_("This is not your current password."))
        return password

    @property
    def keeps_public_images(self) -> bool:
        return bool(self.cleaned_data["public_images"] == self.KEEP)


class AccessTokenForm(forms.Form):
    CUSTOM, NEVER = "custom", "never"
    LONGEST = timedelta(days=3652)  # a typing error in the year is told, not stored

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        help_text=_("Where it is used, such as “laptop” or “build server”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scope = forms.ChoiceField(
        label=_("Scope"),
        choices=AccessToken.Scope.choices,
        initial=AccessToken.Scope.WRITE,
        widget=forms.RadioSelect,
    )
    expiry = forms.ChoiceField(
        label=_("Expires"),
        choices=[
            ("30", _("in 30 days")),
            ("90", _("in 90 days")),
            ("365", _("in a year")),
            (CUSTOM, _("on the day below")),
            (NEVER, _("never")),
        ],
        initial="90",
    )
    last_day = forms.DateField(
        label=_("Last day"),
        required=False,
        help_text=_("Only with “on the day below”."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("expiry") == self.CUSTOM and "last_day" in data:
            last_day = data["last_day"]
            if last_day is None:
                self.add_error("last_day", _("Give the last day on which the token works."))
            elif last_day < timezone.localdate():
                self.add_error("last_day", _("This day has gone: give today or a later one."))
            elif last_day > timezone.localdate() + self.LONGEST:
                self.add_error("last_day", _("Give a day in the next ten years, or “never”."))
        return data

    def expires_at(self) -> datetime | None:
        """When the token stops; None is never. A chosen day is good to its end."""
        expiry = self.cleaned_data["expiry"]
        if expiry == self.NEVER:
            return None
        if expiry == self.CUSTOM:
            return timezone.make_aware(datetime.combine(self.cleaned_data["last_day"], time.max))
        return timezone.now() + timedelta(days=int(expiry))


def _without_placeholders(form: Any) -> None:
    """allauth repeats each label in its field, where it goes away as one types."""
    for field in form.fields.values():
        field.widget.attrs.pop("placeholder", None)
