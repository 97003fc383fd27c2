"""Queries of the hottest path, whose SQL is made once.

Each pull passes /token, which asks two queries. Measured: Django needs 0.6 to 1.1 ms to build
one, and 0.1 ms to send it and read its row. So the building is saved. What a query asks is
still said by its queryset alone, and nowhere in SQL of our own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connection, models
from django.db.models.query import get_related_populators

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True)
class _Statement:
    sql: str
    # What stands for a placeholder: a value given at the call, by its position, or a constant.
    parameters: tuple[tuple[int | None, Any], ...]
    model: type[models.Model]
    columns: slice
    fields: tuple[str, ...]
    related: tuple[Any, ...]
    # Values beside the row's own columns, by name and place.
    annotations: tuple[tuple[str, int], ...]


class CompiledQuery(Generic[Row]):
    """A queryset that finds at most one row, by values of text columns.

    ``build`` makes it from as many values, and is called once, with marks that stand for them:
    it must not look at them, nor at the clock.
    """

    def __init__(self, build: Callable[..., models.QuerySet[Row]]) -> None:
        self._build = build
        self._statement: _Statement | None = None

    def first(self, *values: str) -> Row | None:
        if self._statement is None:
            marks = [f"mark-{position}-of-{id(self)}" for position in range(len(values))]
            self._statement = _compile(self._build(*marks), marks)
        statement = self._statement
        parameters: list[Any] = [
            constant if position is None else values[position]
            for position, constant in statement.parameters
        ]
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, parameters)
            found = cursor.fetchone()
        return None if found is None else _row_of(statement, found)


def _compile(queryset: models.QuerySet[Row], marks: list[str]) -> _Statement:
    compiler = queryset.order_by().query.get_compiler(connection=connection)
    sql, parameters = compiler.as_sql()
    select, klass_info = compiler.select, compiler.klass_info
    if klass_info is None or compiler.get_converters([column for column, _sql, _as in select]):
        raise TypeError("only rows whose columns need no conversion can be read")
    first, last = klass_info["select_fields"][0], klass_info["select_fields"][-1]
    return _Statement(
        sql=sql,
        parameters=tuple(
            (marks.index(value), None) if value in marks else (None, value) for value in parameters
        ),
        model=klass_info["model"],
        columns=slice(first, last + 1),
        fields=tuple(column.target.attname for column, _sql, _as in select[first : last + 1]),
        # The types are Django 6.1's, which wants one argument more.
        related=tuple(get_related_populators(klass_info, select, connection.alias)),  # type: ignore[call-arg]
        annotations=tuple(compiler.annotation_col_map.items()),
    )


def _row_of(statement: _Statement, found: Sequence[Any]) -> Any:
    """As django.db.models.query.ModelIterable does."""
    row = statement.model.from_db(connection.alias, statement.fields, found[statement.columns])
    for populator in statement.related:
        populator.populate(found, row)
    for name, place in statement.annotations:
        setattr(row, name, found[place])
    return row
