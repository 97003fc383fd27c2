"""A kept connection that the server has closed is noticed before it is used."""

import pytest
from django.db import connection, connections


@pytest.fixture
def other_connection(transactional_db):
    other = connection.copy()
    yield other
    other.close()


def ask(database) -> object:
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def test_a_connection_that_the_server_ended_is_replaced(other_connection):
    pid = ask(other_connection)
    assert other_connection.is_usable()

    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    assert not other_connection.is_usable()
    other_connection.health_check_done = False
    other_connection.close_if_health_check_failed()
    assert ask(other_connection) != pid


def test_one_that_is_closed_is_not_usable(other_connection):
    ask(other_connection)
    other_connection.connection.close()
    assert not other_connection.is_usable()
