"""Which lines of the processes are worth showing to an operator."""

import pytest

from portal.console import is_worth_a_line

NOT_THERE = 'level=error msg="response completed with error" http.response.status=404'


@pytest.mark.parametrize(
    ("name", "message", "is_shown"),
    [
        ("registry", NOT_THERE, False),
        ("portal", NOT_THERE, True),
        ("registry", NOT_THERE.replace("404", "500"), True),
        ("registry", 'level=error msg="no space left on device"', True),
    ],
)
def test_a_registry_that_says_not_there_is_no_news(name, message, is_shown):
    assert is_worth_a_line(name, message) == is_shown
