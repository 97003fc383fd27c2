"""The database that tests run on, and the people whom they speak of.

alice owns alice/app and alice/secret; bob and carol are strangers to her; sam is staff.
"""

import os
import shutil
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.cache import cache
from django.utils import translation

from portal import postgres, translations
from tests import tools
from tests.stack import Stack, new_folder


def pytest_configure(config: pytest.Config) -> None:
    """Start the embedded server once, in the process that the workers of xdist belong to."""
    if hasattr(config, "workerinput"):
        return
    config.add_cleanup(lambda: shutil.rmtree(settings.VAR_DIR, ignore_errors=True))
    translations.compile_all(settings.LOCALE_PATHS[0])
    if not os.environ.get("DATABASE_URL"):
        server = postgres.start(settings.VAR_DIR, is_durable=False)
        config.add_cleanup(lambda: postgres.stop(server))


def pytest_report_header() -> list[str]:
    return tools.what_will_not_run()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        names = {*getattr(item, "fixturenames", []), *(mark.name for mark in item.iter_markers())}
        if "clients" in names or "browser" in names:
            # One whole index is enough for this machine: its tests stay in one process.
            item.add_marker(pytest.mark.xdist_group("index"))
        if reason := tools.why_not(names):
            if tools.is_ci():
                raise pytest.UsageError(f"CI=true, so nothing may be skipped: {reason}")
            item.add_marker(pytest.mark.skip(reason))


@pytest.fixture(scope="session")
def index() -> Iterator[Stack]:
    """A whole index with all its processes, shared by all tests that ask for it."""
    folder = new_folder()
    with Stack(folder) as stack:
        yield stack
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield


@pytest.fixture(autouse=True)
def _no_language_left() -> Iterator[None]:
    """A request leaves its language to what comes after it in the same thread."""
    yield
    translation.deactivate()


@pytest.fixture
def alice(db):
    return _person("alice")


@pytest.fixture
def bob(db):
    return _person("bob")


@pytest.fixture
def carol(db):
    return _person("carol")


@pytest.fixture
def sam(db):
    return _person("sam", is_staff=True)


def _person(name: str, **fields: object):
    from accounts.models import User

    return User.objects.create_user(
        username=name, email=f"{name}@example.com", password=f"{name}-password-1", **fields
    )


@pytest.fixture
def alices_app(alice):
    """A public repository of alice's, without an image yet."""
    return _repository(alice, "app", description="An application")


@pytest.fixture
def alices_secret(alice):
    return _repository(alice, "secret", is_private=True)


@pytest.fixture
def debian(sam, carol):
    """A top-level repository that carol maintains."""
    repository = _repository(None, "debian", description="The universal operating system")
    repository.maintainers.add(carol)
    return repository


def _repository(owner, name: str, **fields: object):
    from repositories.models import Repository

    namespace = owner.namespace if owner else None
    return Repository.objects.create(namespace=namespace, name=name, **fields)
