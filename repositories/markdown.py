"""A README's Markdown as HTML that is safe to show on our pages. Pure.

CommonMark with tables, strikethrough, task lists and the HTML that READMEs use. Whoever wrote
it isn't trusted: nh3 keeps a short list of tags and attributes, and nothing runs.
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

import nh3
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.tasklists import tasklists_plugin

# An id in a README must not shadow one of the page's own.
ID_PREFIX = "readme-"
# Rendered once for many readers; pages of at most some 500 KB each.
CACHE_SIZE = 32
# What costs time is markup (some 10 µs for each of these characters, 5 times as much for a list's
# item or a picture), not words. A README of 64 KiB that people read has about half of this.
MARKUP = re.compile(r"[\[\]*_`~<>&!|\\#+=\n-]")
COSTLY = re.compile(r"^[ \t>]*(?:[-*+]|\d+[.)])[ \t]|!\[", re.MULTILINE)
COSTLY_FACTOR = 5
MAX_COST = 7_000
MAX_COLUMNS = 60  # of a table
# The parser fills up each row's missing cells: some 5 µs each.
DELIMITER_ROW = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-*:?[ \t]*)*")
MAX_CELLS = 20_000
# HTML opens a formatting element that was not closed again in each block after it, so that their
# numbers multiply: some 2 µs and 10 bytes each (WHATWG HTML, "reconstruct the active formatting
# elements"). A README with 60 linked badges and 500 lines has 30,000.
FORMATTING = re.compile(
    r"<(?:a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)(?![\w-])", re.IGNORECASE
)
BLOCK = re.compile(r"^(?=.*\S)|<[a-z]", re.IGNORECASE | re.MULTILINE)
MAX_REOPENED = 40_000

HEADINGS = {"h2", "h3", "h4", "h5", "h6"}
TAGS = {
    *HEADINGS,
    *["p", "br", "hr", "div", "span", "blockquote", "pre", "code", "kbd", "samp", "var"],
    *["em", "strong", "b", "i", "s", "del", "ins", "u", "sub", "sup", "small", "q", "abbr"],
    *["ul", "ol", "li", "dl", "dt", "dd", "details", "summary"],
    *["table", "thead", "tbody", "tfoot", "tr", "th", "td"],
    *["a", "img", "picture", "source"],
}
ATTRIBUTES = {
    **{heading: {"id", "align"} for heading in HEADINGS},
    "p": {"align"},
    "div": {"align"},
    "a": {"href", "title", "id", "name"},
    "img": {"src", "alt", "title", "width", "height", "align"},
    "source": {"srcset", "media"},
    "ol": {"start"},
    "th": {"align", "colspan", "rowspan"},
    "td": {"align", "colspan", "rowspan"},
    "abbr": {"title"},
    "details": {"open"},
}
_ALIGN = re.compile(r"text-align:(left|right|center)")
_NO_SLUG = re.compile(r"[^\w\- ]")
_HTML_HEADING = re.compile(r"(</?h)([1-5])(?=[\s>/])", re.IGNORECASE)


@lru_cache(CACHE_SIZE)
def to_html(text: str) -> SafeString:
    """``text`` as HTML whose headings begin at h2, since the page has an h1 already.

    At most about 0.1 s: what would take longer is shown as it was written.
    """
    if _is_too_costly(text):
        return format_html('<pre class="as-written" tabindex="0">{}</pre>', text)
    tokens = _parser.parse(text)
    _add_anchors(tokens)
    _adapt(tokens)
    unsafe = _parser.renderer.render(tokens, _parser.options, {})
    html = nh3.clean(
        unsafe,
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow ugc noopener",
        set_tag_attribute_values={"img": {"loading": "lazy", "referrerpolicy": "no-referrer"}},
    )
    # nh3 writes these tags without attributes, and never anything else that looks like them.
    html = html.replace("<table>", '<div class="table-scroll" tabindex="0"><table class="table">')
    html = html.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')
    return mark_safe(html)  # noqa: S308


def _new_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return parser.use(tasklists_plugin)


_parser = _new_parser()


def _is_too_costly(text: str) -> bool:
    widest = max((line.count("|") for line in text.splitlines()), default=0)
    cost = len(MARKUP.findall(text)) + COSTLY_FACTOR * len(COSTLY.findall(text))
    reopened = len(FORMATTING.findall(text)) * len(BLOCK.findall(text))
    return (
        widest > MAX_COLUMNS
        or cost > MAX_COST
        or reopened > MAX_REOPENED
        or _cells(text) > MAX_CELLS
    )


def _cells(text: str) -> int:
    """Of all tables, with those that the parser adds: each row gets as many as the second line."""
    cells = columns = 0
    for line in text.splitlines():
        if not line.strip("> \t"):
            columns = 0
        elif "|" in line and DELIMITER_ROW.fullmatch(line):
            columns = max(columns, line.count("|") + 1)
        cells += columns
    return cells


def _add_anchors(tokens: list[Token]) -> None:
    """Ids of headings as GitHub makes them, so that tables of contents work."""
    seen: Counter[str] = Counter()
    for heading, content in pairwise(tokens):
        if heading.type != "heading_open":
            continue
        slug = _NO_SLUG.sub("", content.content.lower()).strip().replace(" ", "-")
        heading.attrs["id"] = f"{slug}-{seen[slug]}" if seen[slug] else slug
        seen[slug] += 1


def _adapt(tokens: Iterable[Token]) -> None:
    """What the page needs different: lower headings, no inline style, no form controls."""
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
        elif token.type in {"th_open", "td_open"}:
            alignment = _ALIGN.search(str(token.attrs.pop("style", "")))
            if alignment:
                token.attrs["align"] = alignment[1]
        elif token.type in {"html_block", "html_inline"}:
            token.content = _html(token.content)
        if token.children:
            _adapt(token.children)


def _html(html: str) -> str:
    if "task-list-item-checkbox" in html:
        return "☑" if 'checked="checked"' in html else "☐"
    return _HTML_HEADING.sub(lambda match: f"{match[1]}{int(match[2]) + 1}", html)


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name in {"id", "name"}:
        return ID_PREFIX + value
    if name == "href":
        return _link(value)
    if name == "src":
        return value if value.startswith("https://") else None
    if name == "srcset":
        is_https = all(part.strip().startswith("https://") for part in value.split(","))
        return value if is_https else None
    return value


def _link(target: str) -> str | None:
    """Links to a place in the README and to other sites. A relative one has no meaning here."""
    if target.startswith("#"):
        return f"#{ID_PREFIX}{target[1:]}"
    return target if target.lower().startswith(("https://", "http://", "mailto:")) else None
