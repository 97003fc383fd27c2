"""Pages that make and change repositories, each write with its row in the audit log."""

from copy import copy

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import IntegrityError, transaction
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import audit
from accounts.principals import Principal
from repositories.access import Action, may_create_top_level
from repositories.deletion_forms import DeprecationForm, ImmutableTagsForm
from repositories.forms import (
    DescriptionForm,
    MaintainersForm,
    NewRepositoryForm,
    ReadmeForm,
    VisibilityForm,
)
from repositories.markdown import to_html
from repositories.models import UNDO_WITHIN, Repository, repository_url
from repositories.views import access_of, found_or_404, head_of

STAFF_PAGE_SIZE = 50
MODEL_FORMS: dict[str, type[ModelForm]] = {  # type: ignore[type-arg]
    "description": DescriptionForm,
    "visibility": VisibilityForm,
    "readme": ReadmeForm,
    "immutable": ImmutableTagsForm,
    "deprecation": DeprecationForm,
}
# A text that is long, and a moment that the row of the audit log has itself.
UNTOLD = {"readme", "deprecated_at"}


@login_required
@require_http_methods(["GET", "POST"])
def new_repository(request: HttpRequest) -> HttpResponse:
    principal = Principal.of(request)
    place = NewRepositoryForm.TOP_LEVEL if "top-level" in request.GET else NewRepositoryForm.OWN
    initial = {"place": place, "name": request.GET.get("name", "")}
    form = NewRepositoryForm(principal, request.POST or None, initial=initial)
    if form.is_valid() and _create(request, form):
        return redirect(repository_url(form.path))
    return render(request, "repositories/new_repository.html", {"form": form})


def _create(request: HttpRequest, form: NewRepositoryForm) -> bool:
    """False if somebody, or a push, was faster: the form says so."""
    user = Principal.of(request).user
    if user is None:
        raise PermissionDenied
    try:
        with transaction.atomic():
            Repository.objects.create(
                namespace=None if form.is_top_level else user.namespace,
                name=form.cleaned_data["name"],
                description=form.cleaned_data["description"],
                is_private=form.cleaned_data["is_private"],
            )
            is_private = form.cleaned_data["is_private"]
            audit.record(request, "repository.created", form.path, is_private=is_private)
    except IntegrityError:
        form.add_error("name", form.exists_already())
        return False
    return True


@login_required
@require_http_methods(["GET", "POST"])
def repository_settings(request: HttpRequest, name: str, namespace: str = "") -> HttpResponse:
    """Several forms, each with its own button; the field ``form`` says which one is sent."""
    principal = Principal.of(request)
    access = access_of(request, namespace, name)
    found = found_or_404(access, Action.ADMIN)
    sent = request.POST.get("form", "")
    forms = _settings_forms(request, principal, found, owns=access.allows(Action.OWN))
    preview = None
    if sent in forms and forms[sent].is_valid():
        if "preview" in request.POST:
            preview = to_html(forms[sent].cleaned_data["readme"])
        else:
            _save(request, found, forms[sent])
            messages.success(request, _("Saved."))
            return redirect(f"{request.path}#{sent}")
    context = {
        **head_of(request, access, found, tab="settings"),
        "forms": forms,
        "collaborators": list(
            found.collaborators.order_by("user__username").values_list("user__username", flat=True)
        ),
        "preview": preview,
        "owns": access.allows(Action.OWN),
        "may_delete": access.allows(Action.DELETE),
        "days": UNDO_WITHIN.days,
    }
    return render(request, "repositories/repository_settings.html", context)


def _settings_forms(
    request: HttpRequest, principal: Principal, repository: Repository, *, owns: bool
) -> dict[str, forms.BaseForm]:
    """The forms that ``principal`` has on this page, by name; the sent one is bound."""

    def data_of(key: str) -> QueryDict | None:
        return request.POST if request.POST.get("form") == key else None

    found: dict[str, forms.BaseForm] = {}
    for key, form_class in MODEL_FORMS.items():
        # Of a top-level repository everybody may see all.
        if key != "visibility" or (owns and not repository.is_top_level):
            # Checking a form changes its instance; the page's head shows what is stored.
            found[key] = form_class(data_of(key), instance=copy(repository))
    if repository.is_top_level and may_create_top_level(principal):
        names = repository.maintainers.order_by("username").values_list("username", flat=True)
        initial = {"maintainers": " ".join(names)}
        found["maintainers"] = MaintainersForm(data_of("maintainers"), initial=initial)
    return found


@transaction.atomic
def _save(request: HttpRequest, repository: Repository, form: forms.BaseForm) -> None:
    if isinstance(form, MaintainersForm):
        maintainers = form.cleaned_data["maintainers"]
        repository.maintainers.set(maintainers)
        names = [user.username for user in maintainers]
        audit.record(request, "repository.maintainers_changed", repository.path, maintainers=names)
    elif isinstance(form, ModelForm) and form.changed_data:
        # Only what changed: saving the whole row would undo pulls counted meanwhile.
        form.instance.save(update_fields=form.changed_data)
        short = {key: form.cleaned_data[key] for key in form.changed_data if key not in UNTOLD}
        audit.record(
            request, "repository.changed", repository.path, fields=form.changed_data, values=short
        )


@login_required
@require_safe
def staff_top_level(request: HttpRequest) -> HttpResponse:
    if not may_create_top_level(Principal.of(request)):
        raise PermissionDenied
    repositories = Repository.objects.filter(namespace=None).prefetch_related("maintainers")
    page = Paginator(repositories.order_by("name"), STAFF_PAGE_SIZE).get_page(
        request.GET.get("page")
    )
    return render(request, "repositories/staff_top_level.html", {"page": page})
