import httpx
import pytest

from repositories import registry
from tests.repositories.registries import fake_registry as run_fake
from tests.repositories.registries import real_registry as run_real


@pytest.fixture
def fake_registry(settings, monkeypatch):
    """The registry that the portal asks, ready to fail. Its patience is that of a test."""
    monkeypatch.setattr(registry, "TIMEOUT", httpx.Timeout(0.5))
    with run_fake() as server:
        settings.REGISTRY_URL = server.url
        yield server


@pytest.fixture
def real_registry(settings, tmp_path):
    """The real one, without notifications."""
    with run_real(tmp_path) as running:
        settings.REGISTRY_URL = running.url
        yield running
