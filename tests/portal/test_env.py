"""Settings that can't be right stop the start, with a sentence that names them."""

import os
import re
import subprocess
import sys

import pytest

from portal import env


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        *[(lambda: env.read_port("IT", 1), value) for value in ["0", "65536", "http", "-1", "8 0"]],
        *[(lambda: env.read_positive("IT", 1), value) for value in ["0", "-2", "two", "1.5"]],
        *[(lambda: env.read_bool("IT", default=True), value) for value in ["maybe", "2"]],
        (lambda: env.read_choice("IT", ["open", "closed"]), "half"),
        *[(lambda: env.read_networks("IT"), value) for value in ["10.0.0.0/33", "proxy", "1.2.3"]],
        *[
            (lambda: env.read_http_address("IT"), value)
            for value in [
                *["hub.example.com", "ftp://hub.example.com", "https://hub.example.com/index"],
                *["https://", "https://hub.example.com:0", "https://hub.example.com:http"],
                *["https://hub.example.com?x", "https://a b", 'https://a"b', "https://a\nb"],
                *["https://user@hub.example.com", "https://{env.HOME}"],
            ]
        ],
        *[(lambda: env.read_time_zone("IT"), value) for value in ["Mars", "../etc", "UTC+1"]],
        *[(lambda: env.read_host_and_port("IT"), value) for value in ["8081", "host:", "host:0"]],
    ],
)
def test_bad_values_are_named(monkeypatch, reader, value):
    monkeypatch.setenv("IT", value)
    with pytest.raises(env.BadSetting) as caught:
        reader()
    assert "IT" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["sqlite:///db.sqlite3", "mysql://host/db", "host", "postgres://host:port/db"]
)
def test_only_postgresql_is_a_database(url):
    with pytest.raises(env.BadSetting, match="DATABASE_URL"):
        env.read_database(url)


def test_a_database_at_a_unix_socket():
    config = env.read_database("postgres://me@%2Frun%2Fpostgresql/gantry")
    assert (config["HOST"], config["USER"], config["NAME"]) == ("/run/postgresql", "me", "gantry")


@pytest.mark.parametrize("url", ["memcache://host", "locmem://", "redis://host:6379/0"])
def test_a_cache_that_portals_can_not_share_is_refused(url):
    """Also one whose client is not installed: that is no requirement of ours."""
    with pytest.raises(env.BadSetting, match="CACHE_URL"):
        env.read_cache(url)


def test_good_values(monkeypatch):
    monkeypatch.setenv("PROXIES", "10.0.0.5, 192.168.0.0/16 fd00::/8")
    monkeypatch.setenv("SITE_URL", "https://Hub.Example.com/")
    monkeypatch.setenv("HOOK", "[::1]:8081")
    assert env.read_networks("PROXIES") == ["10.0.0.5/32", "192.168.0.0/16", "fd00::/8"]
    assert env.read_site_url(8080) == "https://hub.example.com"
    assert env.read_host_and_port("HOOK") == ("[::1]", 8081)


def test_what_is_not_set_or_empty_has_its_default(monkeypatch):
    monkeypatch.setenv("SITE_URL", "")
    monkeypatch.delenv("HOOK", raising=False)
    assert env.read_site_url(8081) == "http://localhost:8081"
    assert env.read_host_and_port("HOOK") is None
    assert env.read_networks("HOOK") == []


def test_a_bad_setting_stops_the_start_with_one_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=env.BASE_DIR,
        # Not this process's environment: its settings are the tests'.
        env={"ENV_FILE": os.devnull, "VAR_DIR": str(tmp_path), "PORT": "http"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr == (
        "A setting is wrong: PORT='http' is not a port: give a number from 1 to 65535.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(env.BadSetting, match="set VAR_DIR"):
        env.private_dir(tmp_path / "file" / "var")


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(env.BadSetting, match="belongs to somebody else"):
        env.private_dir(tmp_path / "link")


def test_secrets_are_made_once_and_for_the_owner_alone(tmp_path):
    secret = env.generated_secret(tmp_path, "it")
    assert len(secret) == 64
    assert env.generated_secret(tmp_path, "it") == secret
    assert (tmp_path / "secrets" / "it").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_sockets_of_a_deep_folder_lie_elsewhere_but_at_one_place(tmp_path):
    deep = tmp_path / ("d" * 100)
    place = env.socket_dir(deep, "run")
    assert len(os.fsencode(place)) <= env.MAX_SOCKET_DIR_LENGTH
    assert place == env.socket_dir(deep, "run")
    assert place != env.socket_dir(tmp_path / ("e" * 100), "run")


def test_the_docs_list_every_setting():
    code = (env.BASE_DIR / "portal" / "settings.py").read_text()
    read = set(re.findall(r'reader\.(?:env\.str|read_\w+)\(\s*"([A-Z_]+)"', code))
    table = (env.BASE_DIR / "docs" / "settings.md").read_text()
    listed = set(re.findall(r"(?m)^\| `([A-Z_]+)`", table))
    assert listed == read | {"VAR_DIR", "SITE_URL", "ENV_FILE"}
