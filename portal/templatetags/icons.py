"""{% icon "search" %}: a packaged Bootstrap icon as inline SVG, in the colour of the text."""

from functools import cache

from django import template
from django.contrib.staticfiles import finders
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Screen readers skip it: what it means stands beside it in words."""
    path = finders.find(f"bootstrap-icons/{name}.svg")
    if path is None:
        raise template.TemplateSyntaxError(f"Bootstrap has no icon named {name!r}.")
    with open(path, encoding="utf-8") as file:
        _head, paths = file.read().split(">", 1)
    # The package's own file, not anybody's input.
    return mark_safe(  # noqa: S308
        '<svg class="icon" viewBox="0 0 16 16" fill="currentColor" aria-hidden="true">'
        + paths.replace("\n", "").strip()
    )
