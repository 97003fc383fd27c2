"""What may fail before the index starts says what to do."""

import os
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from portal import postgres, registry_binary, startup, welcome
from portal.console import Console
from repositories.registry_config import RegistrySettings, render


def test_a_folder_holds_one_index(tmp_path):
    lock = startup.take_lock(tmp_path)
    with pytest.raises(startup.CannotStart, match="another VAR_DIR"):
        startup.take_lock(tmp_path)
    os.close(lock)
    os.close(startup.take_lock(tmp_path))


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])
def test_a_busy_port_is_named(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as other:
        other.bind((address, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(startup.CannotStart, match=f"PORT={port} is used"):
            startup.check_port_is_free(port)
    startup.check_port_is_free(port)


def test_leftovers_of_a_killed_run_are_ended(tmp_path):
    ours = subprocess.Popen(["sleep", "60"], env={startup.MARK: str(tmp_path)})
    others = subprocess.Popen(["sleep", "60"], env={startup.MARK: f"{tmp_path}2"})
    startup.end_leftovers(tmp_path)
    assert ours.wait(5) != 0
    assert others.poll() is None
    others.kill()
    others.wait()


def test_files_with_secrets_are_the_owners_alone(tmp_path):
    path = tmp_path / "registry.yml"
    path.write_text("old")
    path.chmod(0o644)
    startup.write_private(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


# --- The registry's program ---------------------------------------------------------------


def program(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_registry_that_is_named_wrongly_is_not_replaced_by_another(tmp_path):
    with pytest.raises(registry_binary.NoRegistry, match="REGISTRY_BIN='/nothing/registry'"):
        registry_binary.find_or_fetch(tmp_path, "/nothing/registry")


def test_without_a_registry_and_apt_the_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(registry_binary, "DEBIANS_PATH", str(tmp_path))
    with pytest.raises(registry_binary.NoRegistry, match=r"`docker-registry`.*REGISTRY_BIN"):
        registry_binary.find_or_fetch(tmp_path, "")


def test_apt_that_fails_is_told(tmp_path, monkeypatch):
    program(tmp_path, "apt-get", "exit 1")
    program(tmp_path, "dpkg-deb", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}")
    monkeypatch.setattr(registry_binary, "DEBIANS_PATH", str(tmp_path))
    with pytest.raises(registry_binary.NoRegistry, match="could not download"):
        registry_binary.find_or_fetch(tmp_path, "")


def test_the_package_is_only_unpacked(tmp_path, monkeypatch):
    """No root, no service of its own. Stands in for apt: the network isn't there in tests."""
    bin_dir, var_dir = tmp_path / "bin", tmp_path / "var"
    bin_dir.mkdir()
    program(bin_dir, "apt-get", "case $* in *download*) : > docker-registry_2.deb;; esac")
    unpack = "mkdir -p usr/bin && echo registry > usr/bin/docker-registry"
    program(bin_dir, "dpkg-deb", f'PATH=/usr/bin:/bin; cd "$3" && {unpack}')
    monkeypatch.setenv("PATH", str(bin_dir))
    monkeypatch.setattr(registry_binary, "DEBIANS_PATH", str(bin_dir))
    assert registry_binary.find_or_fetch(var_dir, "").read_text() == "registry\n"


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("docker-registry github.com/docker/distribution 2.8.2+ds1", 2),
        ("registry github.com/distribution/distribution/v3 v3.0.0", 3),
        ("/usr/bin/registry github.com/distribution/distribution/v3 3.1.1", 3),
        ("redis 7.0", None),
        ("", None),
    ],
)
def test_the_registrys_version(tmp_path, says, version):
    path = program(tmp_path, "registry", f"echo '{says}'")
    if version is None:
        with pytest.raises(registry_binary.NoRegistry, match="not CNCF Distribution"):
            registry_binary.version_of(path)
    else:
        assert registry_binary.version_of(path) == version


@pytest.mark.parametrize("version", [2, 3])
def test_the_registrys_configuration(version):
    registry = RegistrySettings(
        version=version,
        address="/var/run/it.sock",
        storage=Path("/var/registry"),
        site_url="https://hub.example.com",
        service="hub.example.com",
        issuer="gantry",
        keys=Path("/keys"),
        http_secret="http secret",
        hook_url="http://127.0.0.1:1/hooks/registry",
        hook_secret="hook: secret",
    )
    config = yaml.safe_load(render(registry))
    token = config["auth"]["token"]
    assert token["realm"] == "https://hub.example.com/token"
    assert ("jwks" in token) == (version == 3)
    assert ("rootcertbundle" in token) == (version == 2)
    assert config["storage"]["delete"]["enabled"] is True
    assert config["http"]["net"] == "unix"
    assert config["log"]["level"] == "error"  # at "info" it prints the hook's secret
    (endpoint,) = config["notifications"]["endpoints"]
    assert endpoint["headers"]["Authorization"] == ["Bearer hook: secret"]


# --- The database -------------------------------------------------------------------------


def test_a_stale_process_id_is_no_running_server(tmp_path):
    assert postgres.running_pid(tmp_path) is None
    data = postgres.data_directory(tmp_path)
    data.mkdir(parents=True)
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n")
    assert postgres.running_pid(tmp_path) is None
    (data / "postmaster.pid").write_text("4194305\n")
    assert postgres.running_pid(tmp_path) is None


def test_the_embedded_server_listens_nowhere_but_at_its_socket(tmp_path):
    command = postgres.server_command(tmp_path)
    assert "--listen-addresses=" in command
    assert str(postgres.data_directory(tmp_path)) in command
    assert not any(part.startswith("--fsync") for part in command)


# --- What people see ----------------------------------------------------------------------


def test_the_console_says_who_said_what_in_whole_lines(capfdbinary):
    console = Console()
    portal = SimpleNamespace(config=SimpleNamespace(name="portal"))
    for data in [b"first\nsec", b"ond \xff\n", b"unfinished"]:
        console.print_output(SimpleNamespace(process=portal, data=data))
    first, second = capfdbinary.readouterr().out.decode().splitlines()
    assert first[8:] == " portal     | first"
    assert second[8:] == " portal     | second \N{REPLACEMENT CHARACTER}"


def test_while_nothing_answers_the_front_door_is_missing():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and doesn't listen
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert welcome.what_is_missing(address, "localhost") == "front door"


def test_readyz_says_what_does_not_answer(client, db, settings):
    settings.REGISTRY_URL = settings.FRONT_DOOR_URL = "http://127.0.0.1:1"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "database": True,
        "migrations": True,
        "registry": False,
        "front door": False,
    }


def test_healthz_asks_nobody(client):
    """Without the fixture ``db``, a query would fail."""
    assert client.get("/healthz").content == b"ok\n"
