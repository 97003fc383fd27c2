"""{{ text|marked:query }}: the words of a query, marked where they stand in a text."""

import re

from django import template
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

MAX_WORDS = 8  # as many as the search itself looks for


@register.filter
def marked(text: str, query: str) -> SafeString | str:
    words = [word for word in re.split(r"[\s/:@]+", query.lower()) if word][:MAX_WORDS]
    if not words:
        return escape(text)
    pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    # With one group, split() gives what lies between the matches and the matches in turn.
    parts = re.split(f"({pattern})", text, flags=re.IGNORECASE)
    return format_html_join(
        "",
        "{}",
        (
            (format_html("<mark>{}</mark>", part) if at % 2 else part,)
            for at, part in enumerate(parts)
        ),
    )
