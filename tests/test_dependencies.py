"""Dependencies point down: portal, builds, repositories, accounts.

Settings and the readers of the environment are what everything stands on, so anybody may
import them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
APPS = ["accounts", "repositories", "builds", "portal"]  # lowest first
FOR_EVERYBODY = {"portal.env", "portal.settings"}


def imports_of(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: import by the whole name"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("app", APPS)
def test_no_app_imports_from_above(app):
    above = set(APPS[APPS.index(app) + 1 :])
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in sorted((ROOT / app).rglob("*.py"))
        for name in imports_of(file)
        if name.partition(".")[0] in above
        and name not in FOR_EVERYBODY | {"portal"}
        and name.rpartition(".")[0] not in FOR_EVERYBODY
    ]
    assert wrong == []


@pytest.mark.parametrize("app", APPS)
def test_the_code_does_not_import_its_tests(app):
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in sorted((ROOT / app).rglob("*.py"))
        for name in imports_of(file)
        if name.partition(".")[0] == "tests"
    ]
    assert wrong == []
