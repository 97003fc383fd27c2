"""The site's texts in other languages: collected from the code, checked, and made ready to be read.

Translators edit locale/<language>/LC_MESSAGES/django.po. Django reads a compiled form of it, which
is made at the start, in VAR_DIR like all that is made. Babel does what Django leaves to gettext's
programs, which a bare machine lacks.
"""

import io
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation import to_locale
from django.utils.translation.template import templatize

SOURCES = Path(settings.BASE_DIR) / "locale"
CODE = ["portal", "builds", "repositories", "accounts"]
# How a text is marked, and which arguments are the text ("c": what tells two equal ones apart).
_ONE, _SOME, _ONE_OF = None, (1, 2), ((1, "c"), 2)
KEYWORDS = {
    **dict.fromkeys(["_", "gettext", "gettext_lazy", "gettext_noop"], _ONE),
    **dict.fromkeys(["ngettext", "ngettext_lazy"], _SOME),
    **dict.fromkeys(["pgettext", "pgettext_lazy"], _ONE_OF),
    **dict.fromkeys(["npgettext", "npgettext_lazy"], ((1, "c"), 2, 3)),
}
# Texts of Django's own that it doesn't translate, or not as people write: ours are taken instead.
BORROWED = [
    (
        "This password is too short. It must contain at least %d character.",
        "This password is too short. It must contain at least %d characters.",
    ),
    ("%(num)d day", "%(num)d days"),
    ("%(num)d month", "%(num)d months"),
]
_PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%%|%[a-z]")
_TAG = re.compile(r"<[^<>]*>")


def locales() -> list[str]:
    """Those that the site speaks beside English: ``zh_Hans``."""
    return [to_locale(code) for code, _name in settings.LANGUAGES if code != "en"]


def source_of(locale: str) -> Path:
    return SOURCES / locale / "LC_MESSAGES" / "django.po"


def compile_all(folder: Path) -> None:
    """Write what Django reads into ``folder``, where the sources have changed."""
    for locale in locales():
        source, target = source_of(locale), folder / locale / "LC_MESSAGES" / "django.mo"
        if target.exists() and target.stat().st_mtime_ns == source.stat().st_mtime_ns:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        with part.open("wb") as file:
            write_mo(file, read(source))
        # Of the same moment: an older source, checked out again, is seen as another one, too.
        shutil.copystat(source, part)
        part.replace(target)


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def update(locale: str, texts: Catalog) -> Catalog:
    """Bring the source of ``locale`` in line with ``texts``: new ones empty, old ones out."""
    path = source_of(locale)
    catalog = read(path) if path.exists() else _new(locale)
    # A guess at what a changed text means would pass for a translation.
    catalog.update(texts, no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        # Without line numbers: they would change with every edit of the code.
        write_po(file, catalog, width=100, include_lineno=False, sort_by_file=True)
    return catalog


def _new(locale: str) -> Catalog:
    return Catalog(
        locale=locale, project="Gantry", header_comment="# Texts of Gantry.", fuzzy=False
    )


def problems(catalog: Catalog, texts: Catalog) -> Iterator[str]:
    """What keeps ``catalog`` from saying all of ``texts``, and rightly."""
    there = {_key(message): message for message in catalog if message.id}
    wanted = {_key(message): message for message in texts if message.id}
    for key, message in wanted.items():
        if key not in there:
            yield f"missing: {_shown(message)}"
    for key, message in there.items():
        if key not in wanted:
            yield f"nowhere in the code any more: {_shown(message)}"
        elif not all(_texts(message.string)):
            yield f"missing: {_shown(message)}"
        elif message.fuzzy:
            yield f"fuzzy: {_shown(message)}"
        elif wrong := _wrong_parts(message):
            yield f"{wrong}: {_shown(message)}"


def collected() -> Catalog:
    """All texts that the code marks for translation, with the files where they stand."""
    catalog = Catalog(charset="utf-8")
    for borrowed in BORROWED:
        catalog.add(borrowed, locations=[("portal/translations.py", 0)])
    for path in _files():
        name = path.relative_to(settings.BASE_DIR).as_posix()
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".py":
            # Django writes a template as calls in Python, among indented rubbish.
            lines = templatize(text, origin=name).splitlines()
            text = "\n".join(line.strip() for line in lines)
        found = extract("python", io.BytesIO(text.encode()), keywords=KEYWORDS)
        for line, message, _comments, context in found:
            catalog.add(message, locations=[(name, line)], context=context)
    return catalog


def _files() -> Iterator[Path]:
    base = Path(settings.BASE_DIR)
    for app in CODE:
        yield from sorted((base / app).rglob("*.py"))
    for path in sorted((base / "templates").rglob("*")):
        if path.suffix in {".html", ".txt"}:
            yield path


def _wrong_parts(message: Message) -> str:
    """What a translation lacks or has too much: a page would fail, or lose a link."""
    ids, strings = _texts(message.id), _texts(message.string)
    # Whichever plural form is shown, the last of the English ones has all that may be named.
    for pattern, what in [(_PLACEHOLDER, "other placeholders"), (_TAG, "other tags")]:
        wanted = Counter(pattern.findall(ids[-1]))
        if any(Counter(pattern.findall(string)) != wanted for string in strings):
            return what
    return ""


def _texts(value: str | Iterable[str] | None) -> list[str]:
    """One, or the plural forms. An empty one where nothing is translated."""
    return [value or ""] if isinstance(value, str | None) else list(value)


def _key(message: Message) -> tuple[str | None, str]:
    return message.context, _texts(message.id)[0]


def _shown(message: Message) -> str:
    places = sorted({name for name, _line in message.locations})
    return f"{_texts(message.id)[0]!r} ({', '.join(places) or 'no place'})"
