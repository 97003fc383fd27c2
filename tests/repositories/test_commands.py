"""Lines to paste, made of what strangers wrote into their images."""

import shlex

import pytest

from repositories.commands import run_line


def options_of(**facts) -> str:
    """The line for alice/app, without what all of them have."""
    line = run_line("alice/app", "latest", facts).text
    assert line.startswith("docker run ") and line.endswith(" localhost:8080/alice/app")
    return line.removeprefix("docker run ").removesuffix("localhost:8080/alice/app").strip()


PORTS = {
    "the web": (["80/tcp"], "-d -p 8080:80"),
    "two": (["443/tcp", "80/tcp"], "-d -p 8080:80 -p 8443:443"),
    "high": (["5432"], "-d -p 5432:5432"),
    "both would be the same": (["80/tcp", "8080/tcp"], "-d -p 8080:80 -p 8081:8080"),
    "udp": (["53/udp", "53/tcp"], "-d -p 8053:53 -p 8053:53/udp"),
    "no port": (["0/tcp", "65536/tcp", "x", "80/tcp; rm -rf ~", "$(id)", "-1", ""], "--rm"),
}


@pytest.mark.parametrize(("ports", "options"), PORTS.values(), ids=PORTS)
def test_ports(ports, options):
    assert options_of(ports=ports) == options


VOLUMES = {
    "one": (["/var/lib/data"], "-v app-data:/var/lib/data"),
    "two with one name": (["/a/data", "/b/data/"], "-v app-data:/a/data -v app-data-2:/b/data/"),
    "a space": (["/my data"], "-v 'app-my-data:/my data'"),
    "no folder": (["data", "/", "", "/a:/etc", "/a\nb"], ""),
    "a command": (["/$(rm -rf ~)"], "-v 'app--rm--rf-:/$(rm -rf ~)'"),
}


@pytest.mark.parametrize(("volumes", "options"), VOLUMES.values(), ids=VOLUMES)
def test_volumes(volumes, options):
    assert options_of(volumes=volumes).removeprefix("--rm").strip() == options


def test_variables_are_those_that_people_set():
    names = ["PATH", "LANG", "NGINX_VERSION", "POSTGRES_PASSWORD", "API_KEY", "A=B", "a b", "$(x)"]
    line = run_line("alice/app", "latest", {"environment": names})
    assert line.variables == ["POSTGRES_PASSWORD", "API_KEY"]
    assert "-e POSTGRES_PASSWORD=VALUE -e API_KEY=VALUE" in line.text


def test_a_shell_gets_a_terminal():
    assert options_of(cmd=["/bin/bash"]) == "--rm -it"
    assert options_of(entrypoint=["/hello"]) == "--rm"


def test_nothing_that_strangers_wrote_becomes_more_than_a_word():
    hostile = [
        "`id`",
        "'; id #",
        "$(id)",
        '"',
        "\\",
        "/x'; id #",
        "/`id`",
        "/$(id)/|&<>",
        "/\u202e",
    ]
    facts = {"ports": hostile, "volumes": hostile, "environment": hostile, "cmd": hostile}
    line = run_line("alice/app", "1.0", facts).text
    words = shlex.split(line)
    assert words[:3] == ["docker", "run", "--rm"]
    assert words[3:-1:2] == ["-v"] * (len(words[3:-1]) // 2)
    assert "\u202e" not in line


def test_of_many_it_takes_a_few():
    many = [f"/v{number}" for number in range(200)]
    assert options_of(volumes=many).count("-v ") == 8
