"""What pages say about people and the programs that they use."""

import re

from django import template

from accounts.models import User

register = template.Library()

STAFF_NAMED = 5  # enough to find somebody who is in
# First match wins: Edge and Opera also call themselves Chrome, and Chrome calls itself Safari.
BROWSERS = [
    ("Edge", re.compile(r"\bEdg(?:e|A|iOS)?/(\d+)")),
    ("Opera", re.compile(r"\bOPR/(\d+)")),
    ("Firefox", re.compile(r"\b(?:Firefox|FxiOS)/(\d+)")),
    ("Chrome", re.compile(r"\b(?:Headless)?(?:Chrome|CriOS)/(\d+)")),
    ("Safari", re.compile(r"\bVersion/(\d+)[.\d]* .*Safari/")),
]


@register.filter
def client_name(user_agent: str) -> str:
    """``docker 20.10.24`` or ``Firefox 140``, of all that a client says about itself."""
    if user_agent.startswith("Mozilla/"):
        for name, pattern in BROWSERS:
            found = pattern.search(user_agent)
            if found:
                return f"{name} {found[1]}"
    return user_agent.partition(" ")[0].replace("/", " ", 1)[:40]


@register.simple_tag
def staff_members() -> list[User]:
    """Some of those who can help."""
    return list(User.objects.filter(is_staff=True, is_active=True).order_by("pk")[:STAFF_NAMED])
