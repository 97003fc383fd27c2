"""{{ mapping|item:key }}: what Django's dots can't ask for."""

from typing import Any

from django import template

register = template.Library()


@register.filter
def item(mapping: dict[Any, Any], key: Any) -> Any:
    return mapping.get(key)
