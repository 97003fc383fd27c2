"""READMEs: what they may show, what they can't do, and how long they take."""

import re
import time

import pytest

from repositories.markdown import to_html
from repositories.models import MAX_README_LENGTH

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
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_runs_and_nothing_leaves_its_place(text):
    html = to_html(text)
    tags = re.findall(r"<[^>]*>", html)
    assert not re.search(r"<(script|style|iframe|form|input|svg|object|embed|meta|base)", html)
    for tag in tags:
        assert not re.search(r"\s(on\w+|style|class|hx-\w+|data-\w+)=", tag), tag
        assert not re.search(r"(javascript|vbscript|data):", tag, re.IGNORECASE), tag


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
