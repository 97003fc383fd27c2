"""Numbers, sizes, dates and lines, as people read them."""

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from repositories.pull_chart import HEIGHT, WIDTH, Bar, chart
from repositories.templatetags.figures import ago, file_size, short_digest, short_number


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0 k"),
        (1234, "1.2 k"),
        (31_400_000, "31 M"),
        (10**10, "10 G"),
    ],
)
def test_numbers_have_two_digits_that_count(number, expected):
    assert short_number(number) == expected.replace(" ", "\u202f")


@pytest.mark.parametrize(
    ("number", "expected"),
    [(9999, "9999"), (12_345, "1.2万"), (1_234_567, "123万"), (310_000_000, "3.1亿")],
)
def test_chinese_counts_by_ten_thousands(number, expected):
    with translation.override("zh-hans"):
        assert short_number(number) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [(None, ""), (0, "0 B"), (999, "999 B"), (29_000_000, "29 MB"), (1_250_000_000, "1.2 GB")],
)
def test_sizes_are_decimal_as_docker_prints_them(size, expected):
    assert file_size(size) == expected.replace(" ", "\u202f")


def test_a_time_has_its_date_in_the_title():
    when = timezone.now() - timedelta(days=3, hours=2)
    html = ago(when).replace("\xa0", " ")
    assert ">3 days ago</time>" in html
    assert f'datetime="{when:%Y-%m-%dT%H:%M:%S}' in html
    assert "UTC" in html
    assert ">just now</time>" in ago(timezone.now())
    assert ">just now</time>" in ago(timezone.now() + timedelta(minutes=5))  # a clock runs ahead
    assert ago(None) == ""


def test_a_digest_is_cut_to_what_tells_two_apart():
    assert short_digest("sha256:" + "0123456789abcdef" * 4) == "sha256:0123456789ab"


@pytest.mark.parametrize("counts", [[0] * 90, [1] * 90, [0] * 89 + [10**12]])
def test_bars_stay_within_their_drawing(counts):
    today = timezone.now().date()
    drawn = chart([Bar(today, today, count) for count in counts])
    assert len(drawn.bars) == len(counts)
    assert all(float(bar.x) + float(bar.width) <= WIDTH for bar in drawn.bars)
    assert all(0 <= float(bar.y) <= HEIGHT for bar in drawn.bars)
    assert drawn.total == sum(counts)
