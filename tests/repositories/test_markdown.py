"""READMEs: what they may show, what they can't do, and how long they take."""

import re
import time
from html.parser import HTMLParser

import pytest

from repositories.markdown import TAGS, to_html
from repositories.models import MAX_README_LENGTH

# What we put around tables and code, after nh3 has seen all the rest.
OURS = {("class", "table-scroll"), ("class", "table"), ("tabindex", "0"), ("class", "as-written")}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=https://x/y.png onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "<a href='vbscript:x'>a</a>",
    "<a href=' javascript:alert(1)'>a</a>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe src=https://evil.example></iframe>",
    "<style>body { display: none }</style>",
    "<p style='position:fixed;inset:0'>over it all</p>",
    "<form action=https://evil.example><input name=password></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href=https://evil.example>",
    "<object data=x></object><embed src=x>",
    "<div hx-get='/' hx-trigger='load' data-copy data-theme-choice=dark class='site-head'>x</div>",
    "<!--><script>alert(1)</script>-->",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<img src='data:image/svg+xml,<svg onload=alert(1)>'>",
    "![a](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    "<svg><a xlink:href='javascript:alert(1)'><text>a</text></a></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)>#x'></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<a href='data:text/html,<script>alert(1)</script>'>a</a>",
    "<source srcset='data:image/svg+xml,x 1x'>",
    "<details open ontoggle=alert(1)>x</details>",
    "<a href=https://x autofocus tabindex=1 onfocus=alert(1)>a</a>",
    "<h1 onclick=alert(1)>a</h1>",
    "# a <b onmouseover=alert(1)>b</b>",
    "|a <img src=x onerror=alert(1)>|\n|-|\n|<script>alert(1)</script>|",
    "```html onload=alert(1)\n</code></pre><script>alert(1)</script>\n```",
    "``` \"><script>alert(1)</script>\nx\n```",
    "[a]: javascript:alert(1)\n\n[a]",
    '[a](https://x "x\" onmouseover=alert(1) y=\"")',
    '![a" onerror="alert(1)](https://x/y.png)',
    "<https://x/\"onmouseover=alert(1)>",
    "<<script>script>alert(1)<</script>/script>",
    "<scr\0ipt>alert(1)</scr\0ipt>",
    "<img/src=`x`onerror=alert(1)>",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_runs_and_nothing_leaves_its_place(text):
    page = Tags()
    page.feed(to_html(text))
    for tag, attributes in page.found:
        assert tag in {*TAGS, "div"}
        for name, value in attributes:
            if (name, value) not in OURS:
                assert not re.match(r"on|style|class|hx-|data-|xlink|form|srcdoc|tabindex", name)
                assert not re.match(r"\s*(javascript|vbscript|data):", value or "", re.IGNORECASE)


class Tags(HTMLParser):
    """What a browser finds in a page, with quotes and entities read as it does."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


@pytest.mark.parametrize(
    "scheme",
    [
        *["java\u200bscript", "java\u00adscript", "\u202ejavascript", "\ufeffjavascript"],
        *[
            "\uff4aavascript",
            "java&Tab;script",
            "java&NewLine;script",
            "java\tscript",
            "\x01javascript",
        ],
        *[
            "\u2066javascript",
            "javas\u0441ript",
            "java&#x200D;script",
            "JAVA&ZeroWidthSpace;SCRIPT",
        ],
    ],
)
def test_letters_that_look_or_hide_like_others_make_no_scheme(scheme):
    for text in [f"[a](<{scheme}:alert(1)>)", f"<a href='{scheme}:alert(1)'>a</a>"]:
        assert "href" not in to_html(text)


def test_letters_that_turn_the_direction_stay_in_their_paragraph():
    """A browser ends them with the block; so the block must not end with the README alone."""
    html = to_html("one \u202e owt\n\nthree\n\n- four \u2067\n- five")
    assert re.findall(r"<p>(.*)</p>", html) == ["one \u202e owt", "three"]
    assert html.count("<li>") == html.count("</li>") == 2


@pytest.mark.parametrize(
    "part", ["<div>", "<details>", "<b>", "<ul><li>", "<table><tr><td>", "</div>"]
)
def test_what_is_left_open_ends_with_the_readme(part):
    html = to_html(part * 50)
    for tag in ["div", "details", "b", "ul", "li", "table", "td"]:
        assert len(re.findall(rf"<{tag}[ >]", html)) == html.count(f"</{tag}>")


def test_ids_can_not_shadow_those_of_the_page():
    html = to_html("# Content\n\n<a id=content name=head-search></a>\n\n[up](#content)")
    assert '<h2 id="readme-content">' in html
    assert 'id="content"' not in html
    assert 'name="readme-head-search"' in html
    assert 'href="#readme-content"' in html


def test_headings_begin_under_the_title_of_the_page():
    html = to_html("# One\n\n###### Six\n\n<h1 align=center>Raw</h1>")
    assert '<h2 id="readme-one">' in html
    assert '<h6 id="readme-six">' in html
    assert '<h2 align="center">' in html
    assert "<h1" not in html


def test_headings_of_the_same_words_have_different_ids():
    html = to_html("# A b!\n\n# A b!")
    assert 'id="readme-a-b"' in html
    assert 'id="readme-a-b-1"' in html


def test_links_go_to_other_sites_without_vouching_for_them():
    html = to_html("[a](https://example.org/x)")
    assert 'href="https://example.org/x"' in html
    assert 'rel="nofollow ugc noopener"' in html


@pytest.mark.parametrize("target", ["docs/x.md", "../x", "/account/", "//evil.example/x", "?a=1"])
def test_relative_links_have_no_target(target):
    html = to_html(f"[words]({target})")
    assert "words" in html
    assert "href" not in html


@pytest.mark.parametrize(
    "source", ["http://x/y.png", "y.png", "/y.png", "//x/y.png", "data:image/png;base64,AA=="]
)
def test_pictures_come_by_https_or_not_at_all(source):
    html = to_html(f"![words]({source})")
    assert "src=" not in html


def test_a_picture_by_https_is_shown_without_telling_where_it_is_looked_at():
    html = to_html("![words](https://x/y.png)")
    assert 'src="https://x/y.png"' in html
    assert 'alt="words"' in html
    assert 'referrerpolicy="no-referrer"' in html
    assert 'loading="lazy"' in html


def test_a_choice_of_pictures_is_by_https_too():
    html = to_html('<picture><source srcset="https://x/a.png 1x, http://x/b.png 2x"></picture>')
    assert "srcset" not in html
    assert "srcset" in to_html('<picture><source srcset="https://x/a.png 1x"></picture>')


def test_tables_task_lists_and_strikethrough():
    html = to_html("|a|b|\n|:-|-:|\n|1|2|\n\n- [x] done\n- [ ] open\n\n~~gone~~")
    assert '<td align="right">2</td>' in html
    assert "☑ done" in re.sub(r"\s+", " ", html)
    assert "☐ open" in re.sub(r"\s+", " ", html)
    assert "<s>gone</s>" in html
    assert html.count("<div") == html.count("</div>") == 1


def test_code_stays_as_it_is():
    assert "<pre tabindex" in to_html("```sh\ndocker run <b>\n```")
    assert "&lt;b&gt;" in to_html("```sh\ndocker run <b>\n```")


PATHOLOGICAL = {
    "brackets": "[",
    "links": "[a](",
    "images": "![a",
    "emphasis": "*a **b",
    "code": "`a",
    "lists": "- a\n",
    "ordered lists": "1. a\n",
    "nested lists": "- ",
    "quotes": ">",
    "headings": "# a\n",
    "same headings": "# a\n\n",
    "tables": "|a|b|\n|-|-|\n",
    "rules": "---\n",
    "tags": "<a>",
    "divisions": "<div>",
    "details": "<details><summary>",
    "comments": "<!--",
    "entities": "&amp;",
    "lazy quotes": ">a\nb\n",
    "autolinks": "<http://a",
    "words": "lorem ipsum ",
}


@pytest.mark.parametrize("part", PATHOLOGICAL.values(), ids=PATHOLOGICAL.keys())
def test_no_readme_holds_a_worker(part):
    """Below 0.1 s on an idle core; the bound here leaves room for a busy one."""
    text = (part * (MAX_README_LENGTH // len(part)))[:MAX_README_LENGTH]
    for length in [len(text), len(text) // 2, len(text) // 4, len(text) // 8, len(text) // 16]:
        start = time.process_time()
        to_html(text[:length])
        assert time.process_time() - start < 0.5


def test_a_wide_table_does_not_hold_a_worker():
    start = time.process_time()
    to_html("|" + "a|" * 5000 + "\n|" + "-|" * 5000 + "\n" + "|x\n" * 8000)
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("part", PATHOLOGICAL.values(), ids=PATHOLOGICAL.keys())
def test_a_page_grows_with_the_readme_and_not_faster(part):
    """What nests or repeats must not become many times as much HTML."""
    text = (part * (MAX_README_LENGTH // len(part)))[:MAX_README_LENGTH]
    for length in [len(text), len(text) // 8, len(text) // 64]:
        assert len(to_html(text[:length])) <= 40 * length + 1000


def test_what_would_take_too_long_is_shown_as_it_was_written():
    html = to_html("[<b>" * 5000)
    assert html.startswith('<pre class="as-written"')
    assert "&lt;b&gt;" in html


def test_unclosed_formatting_does_not_multiply():
    """Each paragraph would open all of it again: 23 kB gave 20 MB."""
    text = "<p>" + "".join(f"<b x{n}>" for n in range(1740)) + "<p>x0" * 1700
    assert len(to_html(text)) < 10 * len(text)


@pytest.mark.parametrize("row", ["x\n", "|\n", "> |\n"])
def test_missing_cells_of_a_table_are_not_added_without_end(row):
    text = "a|" * 59 + "\n" + "-|" * 59 + "\n" + row * 3000
    assert len(to_html(text)) < 10 * len(text)


def test_a_readme_with_many_badges_and_a_long_table_is_rendered():
    badges = '<a href="https://example.com"><b>x</b></a>\n' * 40
    table = "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 200
    assert to_html(badges + "\n" + table).count("<td>") == 400
