"""Numbered pages of the API."""

from urllib.parse import urlsplit

from django.conf import settings
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request


def address_of(request: Request) -> str:
    """Of this request, under the index's own name: a Host header may say any port."""
    return f"{settings.SITE_URL}{request.get_full_path()}"


class Pages(PageNumberPagination):
    page_size_query_param = "page_size"
    max_page_size = 100

    def get_next_link(self) -> str | None:
        return _at_site(super().get_next_link())

    def get_previous_link(self) -> str | None:
        return _at_site(super().get_previous_link())


def _at_site(link: str | None) -> str | None:
    if link is None:
        return None
    parts = urlsplit(link)
    return f"{settings.SITE_URL}{parts.path}?{parts.query}"
