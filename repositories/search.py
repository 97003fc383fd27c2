"""The one search: pages, the API and ``docker search`` all come here and see the same.

A repository is found if every word stands somewhere in its name, its namespace or its
description. What somebody typed or pasted may also be a path or a whole reference.
"""

import re
import unicodedata
from dataclasses import dataclass
from math import ceil
from typing import Self

from django.db.models import Case, Exists, F, Func, OuterRef, Q, Value, When
from django.db.models.lookups import IsNull

from accounts.principals import Principal
from repositories import names
from repositories.access import visible_repositories
from repositories.models import Repository, RepositoryQuerySet

# The longest thing that makes sense to paste: a reference of 255 characters, and a digest.
MAX_TEXT_LENGTH = 400
# Each word is three comparisons for every row; nobody needs more to tell what he looks for.
MAX_WORDS = 8
MAX_PAGE_SIZE = 100  # what docker search may ask for
# Nobody reads so far. Pages beyond are empty, and the offset stays a number for PostgreSQL.
MAX_PAGE = 10_000

# People confuse them, so that names are compared without.
SEPARATORS = "-_."
WITHOUT_SEPARATORS = str.maketrans("", "", SEPARATORS)

# How well a repository fits, best first: see _rank().
EXACT_PATH, EXACT_NAME, BEGINNING, NAME, ANYWHERE = range(5)


@dataclass(frozen=True)
class Results:
    """One page of what was found; ``total`` counts all pages."""

    items: list[Repository]
    total: int
    page: int
    pages: int


@dataclass(frozen=True)
class Query:
    """What a text asks for; without words and namespace, for whatever is popular."""

    words: tuple[str, ...] = ()
    namespace: str = ""  # of ``alice/app`` and ``alice/``: written as a path
    name: str = ""  # of ``alice/app`` and ``app``; several words may be one name, too

    @classmethod
    def of(cls, text: str) -> Self:
        text = _without_controls(text)
        if " " in text:
            return cls(_words(text), name=text.lower())
        path = _path_of_reference(text)
        namespace, _slash, name = path.lower().rpartition("/")
        return cls(_words(path), namespace, name)


def search(principal: Principal, text: str, *, page: int = 1, page_size: int = 25) -> Results:
    """The repositories that ``text`` finds for ``principal``, best first. At most two queries.

    Any text will do. Pages count from 1; one that isn't there is empty.
    """
    page = min(max(page, 1), MAX_PAGE)
    page_size = min(max(page_size, 1), MAX_PAGE_SIZE)
    found = _found(principal, Query.of(text))
    start = (page - 1) * page_size
    items = list(found[start : start + page_size])
    # A page that isn't full is the last, so there is nothing left to count.
    is_last = 0 < len(items) < page_size or (page == 1 and not items)
    total = start + len(items) if is_last else found.count()
    return Results(items, total, page, pages=ceil(total / page_size))


def _found(principal: Principal, query: Query) -> RepositoryQuerySet:
    repositories = listed_repositories(principal).select_related("namespace")
    if query.namespace and not query.name:
        return repositories.filter(namespace__name=query.namespace).by_popularity()
    if not query.words:
        return repositories.by_popularity()
    repositories = repositories.annotate(
        squashed_name=_squashed_column("name"),
        squashed_namespace=_squashed_column("namespace__name"),
    )
    for word in query.words:
        repositories = repositories.filter(_in_path(word) | Q(description__icontains=word))
    # Among equals, what staff let in comes first: a stranger can't push in front of it.
    is_not_top_level = IsNull(F("namespace"), False)
    is_deprecated = IsNull(F("deprecated_at"), False)
    return repositories.annotate(rank=_rank(query)).order_by(
        "rank", is_deprecated, is_not_top_level, "-pull_count", "name", "pk"
    )


def listed_repositories(principal: Principal) -> RepositoryQuerySet:
    """What ``principal`` may see in a list: nobody looks for a stranger's empty repository."""
    listed = Q(pushed_at__isnull=False)
    if principal.user is not None:
        maintained = Repository.maintainers.through.objects.filter(
            repository=OuterRef("pk"), user=principal.user
        )
        listed |= Q(namespace__user=principal.user) | Q(Exists(maintained))
    return visible_repositories(principal).filter(listed)


def _rank(query: Query) -> Case:
    """The name that was asked for comes first, then names like it, whatever is popular."""
    name = _squash(query.name)
    is_path = Q(namespace__name=query.namespace or None, name=query.name)
    if not query.namespace:
        is_path = Q(namespace=None, name=query.name)
    is_name = Q(squashed_name=name)
    begins = Q(squashed_name__startswith=name)
    if query.namespace:
        is_in_namespace = Q(namespace__name=query.namespace)
        begins &= is_in_namespace
    else:
        begins |= Q(squashed_namespace=name)
        if len(query.words) == 2:  # "alice app" may be a path as well as a name
            is_name |= Q(namespace__name=query.words[0].lower(), name=query.words[1].lower())
    in_path = Q(*(_in_path(word) for word in query.words))
    return Case(
        When(is_path, then=EXACT_PATH),
        When(is_name, then=EXACT_NAME),
        When(begins, then=BEGINNING),
        When(in_path, then=NAME),
        default=ANYWHERE,
    )


def _in_path(word: str) -> Q:
    squashed = _squash(word)
    return Q(squashed_name__contains=squashed) | Q(squashed_namespace__contains=squashed)


def _without_controls(text: str) -> str:
    """In one line, without what can't be seen: NUL, which PostgreSQL refuses, and the like."""
    text = text[:MAX_TEXT_LENGTH]
    visible = (" " if unicodedata.category(c).startswith("C") else c for c in text)
    return " ".join("".join(visible).split())


def _path_of_reference(text: str) -> str:
    """``alice/app`` of ``hub.example.com/library/alice/app:1.0@sha256:…``; other text as it is."""
    path = text.partition("@sha256:")[0]
    host, slash, rest = path.partition("/")
    # A namespace has neither "." nor ":", and nobody is called localhost.
    if slash and (re.search("[.:]", host) or host == "localhost"):
        path = rest
    before, colon, tag = path.rpartition(":")
    if colon and (tag == "" or names.is_tag(tag)):
        path = before
    return names.without_library(path)


def _words(text: str) -> tuple[str, ...]:
    """Words that can be told from each other: a lone dash stands everywhere."""
    words = [word for word in re.split("[ /]", text) if _squash(word)]
    return tuple(dict.fromkeys(words))[:MAX_WORDS]


def _squash(text: str) -> str:
    """As names are compared: ``Node_Exporter``, ``node exporter`` and ``node-exporter`` are one."""
    return text.lower().replace(" ", "").translate(WITHOUT_SEPARATORS)


def _squashed_column(name: str) -> Func:
    """As _squash(), of a column that has lower case only."""
    return Func(F(name), Value(SEPARATORS), Value(""), function="TRANSLATE")
