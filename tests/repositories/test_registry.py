"""The client of the registry's API: what it says, and above all what it doesn't."""

import pytest

from repositories import registry
from repositories.registry import NotThere, RegistryUnavailable, connect
from tests.repositories.registries import image_of

FAULTS = ["timeout", "no answer", "401", "403", "500", "503", "somebody's 404"]
MISSING = "sha256:" + "0" * 64


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("ask", ["manifest", "digest_of", "config", "tags", "repositories"])
def test_an_error_is_no_absence(fake_registry, fault, ask):
    digest = fake_registry.push("alice/app", "1")
    fake_registry.fault = lambda method, address: fault
    arguments = {"tags": ["alice/app"], "repositories": []}.get(ask, ["alice/app", digest])
    with connect() as connection, pytest.raises(RegistryUnavailable):
        getattr(connection, ask)(*arguments)


def test_nobody_listens(settings):
    settings.REGISTRY_URL = "http://127.0.0.1:1"
    with connect() as connection, pytest.raises(RegistryUnavailable):
        connection.tags("alice/app")


# httpcore leaves the socket that it could not connect to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_socket(settings, tmp_path):
    settings.REGISTRY_URL = ""
    settings.REGISTRY_SOCKET = tmp_path / "registry.sock"
    with connect() as connection, pytest.raises(RegistryUnavailable):
        connection.tags("alice/app")


@pytest.mark.parametrize("fault", ["half the bytes", "a list of numbers"])
def test_half_a_list_is_none(fake_registry, fault):
    fake_registry.push("alice/app", "1")
    fake_registry.fault = lambda method, address: fault
    with connect() as connection:
        with pytest.raises(RegistryUnavailable):
            connection.tags("alice/app")
        with pytest.raises(RegistryUnavailable):
            connection.repositories()


def test_a_list_without_its_last_page_is_none(fake_registry):
    for number in range(5):
        fake_registry.push(f"alice/app{number}", "1")
    fake_registry.page_size = 2
    with connect() as connection:
        assert connection.repositories() == [f"alice/app{number}" for number in range(5)]
        fake_registry.fault = lambda method, address: (
            "500" if "last=alice/app3" in address else None
        )
        with pytest.raises(RegistryUnavailable):
            connection.repositories()


@pytest.mark.parametrize("fault", ["other bytes", "half the bytes"])
def test_bytes_that_are_not_those_of_the_digest(fake_registry, fault):
    digest = fake_registry.push("alice/app", "1")
    fake_registry.fault = lambda method, address: fault
    with connect() as connection:
        for reference in [digest, "1"]:
            with pytest.raises(RegistryUnavailable):
                connection.manifest("alice/app", reference)


def test_a_configuration_that_is_too_large(fake_registry, monkeypatch):
    monkeypatch.setattr(registry, "MAX_CONFIG_BYTES", 10)
    _manifest, blobs = image_of("a long text")
    fake_registry.blobs |= blobs
    with connect() as connection, pytest.raises(registry.TooLarge):
        connection.config("alice/app", max(blobs, key=lambda digest: len(blobs[digest])))


@pytest.mark.parametrize("path", ["Alice/App", "a/b/c", "alice/app/../../_catalog", ""])
def test_never_asks_for_an_address_outside_our_grammar(fake_registry, path):
    with connect() as connection, pytest.raises(ValueError, match="not an address"):
        connection.digest_of(path, "1")
    assert fake_registry.asked == []


def test_what_the_registry_does_not_have(fake_registry):
    fake_registry.push("alice/app", "1")
    with connect() as connection:
        for path, reference in [("alice/app", "2"), ("alice/app", MISSING), ("alice/no", "1")]:
            with pytest.raises(NotThere):
                connection.digest_of(path, reference)
            with pytest.raises(NotThere):
                connection.manifest(path, reference)
        with pytest.raises(NotThere):
            connection.tags("alice/no")
        with pytest.raises(NotThere):
            connection.config("alice/app", MISSING)


def test_the_real_registry(real_registry):
    digest = real_registry.push("alice/app", "1")
    real_registry.push("alice/app", "2", "another")
    with connect() as connection:
        assert connection.repositories() == ["alice/app"]
        assert connection.tags("alice/app") == ["1", "2"]
        assert connection.digest_of("alice/app", "1") == digest
        assert connection.digest_of("alice/app", "1", known=digest) == digest
        assert connection.digest_of("alice/app", digest) == digest
        stored = connection.manifest("alice/app", "1")
        assert stored.digest == digest
        assert stored.content == image_of()[0]
        assert connection.config(
            "alice/app", max(image_of()[1], key=lambda d: len(image_of()[1][d]))
        )

        real_registry.delete("alice/app", digest)

        for reference in ["1", digest]:
            with pytest.raises(NotThere):
                connection.digest_of(
                    "alice/app", reference, known=digest if reference == "1" else ""
                )
        assert connection.tags("alice/app") == ["2"]
        with pytest.raises(NotThere):
            connection.tags("alice/nothing")
