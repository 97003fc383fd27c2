"""Pulls over time: bars for the last 30 days and for the weeks of a year, and what they show."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Sum
from django.utils import timezone

from repositories.models import Repository

DAYS, WEEKS = 30, 52
WEEK = timedelta(days=7)
WIDTH, HEIGHT = 240, 40  # of the drawing, in its own units
GAP = 0.2  # of a bar's place, between it and the next


@dataclass(frozen=True)
class Bar:
    """The pulls of some days. Places are texts: templates would write numbers as people do."""

    first: date
    last: date
    count: int
    x: str = ""
    y: str = ""
    width: str = ""
    height: str = ""


@dataclass(frozen=True)
class PullChart:
    """``bars`` come oldest first; the last one may not be over yet."""

    total: int
    bars: list[Bar]


@dataclass(frozen=True)
class PullCharts:
    by_day: PullChart
    by_week: PullChart


def pull_charts_of(repository: Repository) -> PullCharts:
    """One query. Days are those of UTC; the last week is the last seven days."""
    today = timezone.now().date()
    since = today - WEEKS * WEEK + timedelta(days=1)
    sums = repository.daily_pulls.filter(day__gte=since, day__lte=today).values_list("day")
    counts: defaultdict[date, int] = defaultdict(int, dict(sums.annotate(Sum("count"))))
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    weeks = [today - ago * WEEK for ago in reversed(range(WEEKS))]
    return PullCharts(
        by_day=chart([Bar(day, day, counts[day]) for day in days]),
        by_week=chart([_week_until(day, counts) for day in weeks]),
    )


def chart(bars: list[Bar]) -> PullChart:
    """The bars with their places in the drawing. A pull is seen, however many another day had."""
    highest = max(bar.count for bar in bars) or 1
    place = WIDTH / len(bars)
    drawn = []
    for position, bar in enumerate(bars):
        height = max(HEIGHT * bar.count / highest, 1 if bar.count else 0)
        drawn.append(
            Bar(
                bar.first,
                bar.last,
                bar.count,
                x=f"{position * place:.2f}",
                y=f"{HEIGHT - height:.2f}",
                width=f"{place * (1 - GAP):.2f}",
                height=f"{height:.2f}",
            )
        )
    return PullChart(sum(bar.count for bar in bars), drawn)


def _week_until(last: date, counts: dict[date, int]) -> Bar:
    days = [last - timedelta(days=ago) for ago in range(7)]
    return Bar(days[-1], last, sum(counts[day] for day in days))
