"""/help/: the users' part of docs/, with this index's name and the reader's in every command.

The texts are Markdown under docs/help/, in each language, and read well there, too: they speak of
``hub.example.com`` and ``alice``, and of https. A page puts in who and what is really meant.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from accounts.principals import Principal
from portal.tls import Tls

FOLDER = Path(settings.BASE_DIR) / "docs" / "help"
TOPICS = [
    *["find", "push", "log-in", "tokens"],
    *["trust", "registries", "short-names", "credentials"],
]
# What the texts say where a page says the index and its reader.
EXAMPLE_HOST = "hub.example.com"
EXAMPLE_NAME = "alice"
_NAME = re.compile(rf"(?<![\w-]){EXAMPLE_NAME}(?![\w-])")
# Some twenty readers of every topic in both languages; a page has at most 20 KB.
CACHE_SIZE = 320

# What clients must be told where an index is reached over plain HTTP. docker knows by itself.
_FOR_PLAIN_HTTP = [
    (r"\b(?:podman|skopeo) (?:login|pull|push|search|inspect|list-tags)\b", "tls-verify=false"),
    (r"\bskopeo copy\b", "src-tls-verify=false --dest-tls-verify=false"),
    # A hosts.toml says itself how a host is reached.
    (r"\bctr images (?:pull|push)\b(?! --hosts-dir)", "plain-http"),
]
# <!-- only: http --> … <!-- end -->: a part for some readers alone.
_ONLY = re.compile(r"<!-- only: ([a-z-]+) -->\s*")
_END = re.compile(r"<!-- end -->\s*")


@dataclass(frozen=True)
class Reader:
    """For whom a text is, and where."""

    site_url: str
    name: str = ""  # empty: nobody is signed in

    @property
    def host(self) -> str:
        return self.site_url.partition("://")[2]

    @property
    def is_https(self) -> bool:
        return self.site_url.startswith("https://")

    def is_one_of(self, condition: str) -> bool:
        return {
            "http": not self.is_https,
            "https": self.is_https,
            "signed-in": bool(self.name),
            "signed-out": not self.name,
        }[condition]

    def reads(self, text: str) -> str:
        """``text`` with the names that are meant."""
        text = text.replace(f"https://{EXAMPLE_HOST}", self.site_url)
        text = text.replace(EXAMPLE_HOST, self.host)
        return _NAME.sub(self.name or EXAMPLE_NAME, text)

    def pastes(self, command: str) -> str:
        """``command`` as it works for this reader."""
        command = self.reads(command)
        if not self.is_https:
            for pattern, flag in _FOR_PLAIN_HTTP:
                command = re.sub(pattern, rf"\g<0> --{flag}", command)
        return command


@dataclass(frozen=True)
class Page:
    topic: str
    title: str
    summary: str  # the first paragraph, as text
    body: SafeString


@dataclass(frozen=True)
class Block:
    """A fenced block. ``kind`` is "sh", "text" (to look at), or the format of the file ``path``."""

    kind: str
    path: str
    text: str


@require_safe
def contents(request: HttpRequest) -> HttpResponse:
    return render(request, "help/contents.html", {"pages": _pages(request), **_certificate()})


@require_safe
def topic(request: HttpRequest, topic: str) -> HttpResponse:
    pages = _pages(request)
    page = next((page for page in pages if page.topic == topic), None)
    if page is None:
        raise Http404
    return render(request, "help/topic.html", {"page": page, "pages": pages, **_certificate()})


def _certificate() -> dict[str, bool]:
    """Whether clients must be told to trust this index: another page says how."""
    return {"certifies_itself": settings.TLS == Tls.INTERNAL}


def _pages(request: HttpRequest) -> list[Page]:
    user = Principal.of(request).user
    reader = Reader(settings.SITE_URL, user.username if user else "")
    language = get_language() or "en"
    return [page_for(topic, language, reader) for topic in TOPICS]


@lru_cache(CACHE_SIZE)
def page_for(topic: str, language: str, reader: Reader) -> Page:
    tokens = list(_meant_for(reader, _parser.parse(source(topic, language))))
    _add_anchors(tokens, topic, reader)
    _fill(tokens, reader)
    return Page(
        topic=topic,
        title=tokens[1].content,  # the first heading: open, text, close
        summary="".join(token.content for token in tokens[4].children or []),
        body=mark_safe(_parser.renderer.render(tokens[3:], _parser.options, {})),  # noqa: S308
    )


def blocks_of(topic: str, language: str, reader: Reader) -> list[Block]:
    """All that ``topic`` shows ``reader`` to paste, in order."""
    blocks = []
    for token in _meant_for(reader, _parser.parse(source(topic, language))):
        if token.type == "fence":
            kind, _space, path = token.info.partition(" ")
            blocks.append(Block(kind, reader.reads(path), reader.pastes(token.content)))
    return blocks


def source(topic: str, language: str) -> str:
    """The Markdown; in English where there is no other."""
    path = FOLDER / language / f"{topic}.md"
    if not path.exists():
        path = FOLDER / "en" / f"{topic}.md"
    return path.read_text(encoding="utf-8")


def _meant_for(reader: Reader, tokens: Iterable[Token]) -> Iterator[Token]:
    is_shown = True
    for token in tokens:
        if token.type == "html_block":
            only = _ONLY.fullmatch(token.content)
            if only:
                is_shown = reader.is_one_of(only[1])
            elif _END.fullmatch(token.content):
                is_shown = True
            continue  # the texts have no other HTML
        if is_shown:
            yield token


def _add_anchors(tokens: list[Token], topic: str, reader: Reader) -> None:
    """Ids from the English headings, so that a link leads to its place in every language."""
    english = _meant_for(reader, _parser.parse(source(topic, "en")))
    slugs = [_slug(text.content) for heading, text in pairwise(english) if _opens(heading)]
    headings = [token for token in tokens if _opens(token)]
    for heading, slug in zip(headings, slugs, strict=True):
        heading.attrs["id"] = slug


def _opens(token: Token) -> bool:
    return token.type == "heading_open"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _fill(tokens: Iterable[Token], reader: Reader) -> None:
    """Put names into what is parsed already: nothing in them can be taken for markup."""
    for token in tokens:
        if token.type in {"fence", "code_inline"}:
            token.content = reader.pastes(token.content)
        elif token.type in {"text", "inline"}:
            token.content = reader.reads(token.content)
        if token.type == "link_open":
            token.attrs["href"] = _address(str(token.attrs["href"]), reader)
        _fill(token.children or [], reader)


def _address(target: str, reader: Reader) -> str:
    """``tokens.md#scopes`` is a file for those who read docs/, and a page here."""
    page, mark, place = target.partition("#")
    if page.removesuffix(".md") in TOPICS:
        return reverse("help-topic", args=[page.removesuffix(".md")]) + mark + place
    return reader.reads(target)


def _new_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    parser.add_render_rule("fence", _render_block)
    parser.add_render_rule("table_open", _render_table_open)
    parser.add_render_rule("table_close", _render_table_close)
    return parser


def _render_block(renderer: object, tokens: list[Token], at: int, *_rest: object) -> str:
    kind, _space, path = tokens[at].info.partition(" ")
    text = tokens[at].content.rstrip("\n")
    if kind == "text":  # to look at: what one would paste is elsewhere
        return f'<pre tabindex="0"><code>{escape(text)}</code></pre>\n'
    # For screen readers: "docker login" tells one command from the next.
    label = path or " ".join(text.split()[:2])
    return render_to_string("includes/_copy.html", {"text": text, "label": label})


def _render_table_open(*_rest: object) -> str:
    return '<div class="table-scroll" tabindex="0"><table class="table">\n'


def _render_table_close(*_rest: object) -> str:
    return "</table></div>\n"


_parser = _new_parser()
