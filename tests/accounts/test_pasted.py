"""What is shown to paste, and that it fits beside what is in a file already."""

import base64
import json

from accounts.pasted import pasted_for

SECRET = "gtp_secret"


def lines(**changes):
    arguments = {"host": "hub.example.com", "username": "alice", "email": "a@example.com"}
    return pasted_for(**(arguments | changes), secret=SECRET, is_https=True)


def test_entries_go_beside_others():
    shown = lines()
    for entry in (shown.docker_config, shown.containers_auth, shown.dockercfg):
        joined = json.loads('{"other.example.com": {"auth": "eA=="}, ' + entry + "}")
        assert set(joined) == {"other.example.com", "hub.example.com"}
        auth = joined["hub.example.com"]["auth"]
        assert base64.b64decode(auth).decode() == f"alice:{SECRET}"


def test_the_oldest_clients_get_an_address():
    entry = json.loads("{" + lines().dockercfg + "}")
    assert entry["hub.example.com"]["email"] == "a@example.com"
    entry = json.loads("{" + lines(host="hub:5000", email="").dockercfg + "}")
    assert entry["hub:5000"]["email"] == "alice@hub"


def test_podman_is_told_of_plain_http():
    assert "--tls-verify" not in lines().podman
    plain = pasted_for("localhost:8080", "alice", "", SECRET, is_https=False)
    assert "--tls-verify=false" in plain.podman


def test_steps_of_a_pipeline_hold_no_secret():
    assert SECRET not in lines().github_actions + lines().gitlab_ci
