from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BuildsConfig(AppConfig):
    """Trusted builds. Nothing is here yet but the place: the app above ``repositories``."""

    name = "builds"
    verbose_name = _("Builds")
