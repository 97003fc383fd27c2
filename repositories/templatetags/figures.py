"""Numbers, sizes and dates as people read them."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import get_language
from django.utils.translation import gettext as _

register = template.Library()

NARROW_SPACE = "\u202f"  # doesn't break between a number and its unit
KILO, MEGA, GIGA, TERA = 10**3, 10**6, 10**9, 10**12
TEN_THOUSAND, HUNDRED_MILLION = 10**4, 10**8


@register.filter
def short_number(number: int) -> str:
    """``950``, ``1.2 k``, ``31 M``; in Chinese, which counts by ten thousands, ``1.2万``."""
    if (get_language() or "").startswith("zh"):
        for unit, name in [(HUNDRED_MILLION, "亿"), (TEN_THOUSAND, "万")]:
            if number >= unit:
                return f"{_two_digits(number / unit)}{name}"
        return number_format(number)
    for unit, name in [(GIGA, "G"), (MEGA, "M"), (KILO, "k")]:
        if number >= unit:
            return f"{_two_digits(number / unit)}{NARROW_SPACE}{name}"
    return number_format(number)


@register.filter
def file_size(size: int | None) -> str:
    """``29 MB``, decimal as docker prints it. Empty for None: not known."""
    if size is None:
        return ""
    for unit, name in [(TERA, "TB"), (GIGA, "GB"), (MEGA, "MB"), (KILO, "kB")]:
        if size >= unit:
            return f"{_two_digits(size / unit)}{NARROW_SPACE}{name}"
    return f"{size}{NARROW_SPACE}B"


@register.filter
def size_range(smallest: int | None, largest: int | None) -> str:
    """``29 MB``, ``29–41 MB``, ``900 kB–1.2 GB``."""
    low, high = file_size(smallest), file_size(largest)
    if low == high:
        return high
    number, _space, unit = low.partition(NARROW_SPACE)
    return f"{number}–{high}" if high.endswith(unit) else f"{low}–{high}"


@register.filter
def ago(when: datetime | None) -> SafeString | str:
    """``3 days ago``, with the date and time in the title. Empty for None."""
    if when is None:
        return ""
    since = timesince(when, depth=1)
    is_now = (timezone.now() - when).total_seconds() < 60
    words = _("just now") if is_now else _("%(time)s ago") % {"time": since}
    local = timezone.localtime(when)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(timespec="seconds"),
        f"{date_format(local, 'DATETIME_FORMAT')} {local:%Z}",
        words,
    )


@register.filter
def short_digest(digest: str) -> str:
    """``sha256:0123456789ab``: enough to tell two apart."""
    return digest[:19]


def _two_digits(number: float) -> str:
    return number_format(number, 1 if number < 9.95 else 0)
