from django.apps import AppConfig


class PortalConfig(AppConfig):
    """Wires everything; contains nothing about images."""

    name = "portal"
