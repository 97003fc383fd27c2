"""Deleting on a whole index: what clients get then, and that nothing else is lost by it."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from portal.env import BASE_DIR
from tests.oci import Layout
from tests.protocol.clients import Failed, wait_for
from tests.protocol.conftest import new_token
from tests.protocol.test_crashes import KILLED, Pusher

pytestmark = pytest.mark.clients

PLAIN = ["--src-tls-verify=false", "--dest-tls-verify=false"]


class Publisher:
    """Somebody with a repository, who pushes and looks by skopeo."""

    def __init__(self, index, inside, person, skopeo, folder):
        self.index, self.inside, self.person, self.skopeo = index, inside, person, skopeo
        self.layout = Layout(folder / "layout")
        self.path = f"{person.name}/app"
        self.page = f"/r/{self.path}"
        self.credentials = f"{person.name}:{new_token(inside, person.name, 'delete')}"

    def push(self, tag, content=b"hello\n"):
        """Until the page shows it."""
        digest = self.layout.image(tag, files={"hello": content})["digest"]
        self.copy(self.layout.reference(tag), tag)
        wait_for(lambda: self.shown().get(tag) == digest, "the push")
        return digest

    def copy(self, source, tag):
        creds = f"--dest-creds={self.credentials}"
        self.skopeo("copy", "-q", "--all", *PLAIN, creds, source, self.reference(tag))

    def reference(self, tag):
        mark = "@" if tag.startswith("sha256:") else ":"
        return f"docker://{self.index.host}/{self.path}{mark}{tag}"

    def pulls(self, tag):
        """The digest that everybody gets, each layer with it; None if it is not there."""
        with Pull(self.layout.folder.parent) as folder:
            try:
                self.skopeo("copy", "-q", "--all", *PLAIN, self.reference(tag), f"dir:{folder}")
            except Failed as failure:
                assert re.search("manifest unknown|denied|unauthorized", str(failure)), failure
                return None
            return digest_of((folder / "manifest.json").read_bytes())

    def delete(self, *pairs):
        self.post("/delete-tags", tag=[f"{tag}@{digest}" for tag, digest in pairs])
        return self.inside(f"Deletion.objects.filter(path={self.path!r}).latest('pk').pk")

    def undo(self, pk):
        self.post(to=f"/deleted/{pk}/undo")

    def post(self, page="", to="", **fields):
        """A form of the repository's pages, or one that any page has (to sign out)."""
        html = self.person.web.see(self.page + "/settings" if page else "/deleted")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', html)[1]
        data = {"csrfmiddlewaretoken": token, **fields}
        headers = {"Referer": self.index.url}
        answer = self.person.web.http.post(to or self.page + page, data=data, headers=headers)
        assert answer.status_code == 200, answer.text[:500]

    def state(self, pk):
        return self.inside(f"Deletion.objects.get(pk={pk}).state")

    def shown(self):
        tags = f"Tag.objects.filter(repository__in=Repository.objects.at({self.path!r}))"
        return self.inside(f"dict({tags}.values_list('name', 'manifest__digest'))")


class Pull:
    def __init__(self, folder):
        self.folder = folder / f"pulled-{time.monotonic_ns()}"

    def __enter__(self):
        return self.folder

    def __exit__(self, *_):
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)


def digest_of(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def alice_publishes(index, inside, alice_there, skopeo, tmp_path):
    return Publisher(index, inside, alice_there, skopeo, tmp_path)


def test_an_immutable_tag_is_written_once(alice_publishes, docker, index, alice_there):
    alice = alice_publishes
    docker.login(index.host, alice_there.name, alice_there.token)
    name = f"{index.host}/{alice.path}"
    docker.build(f"{name}:latest", "one")
    docker("push", f"{name}:latest")
    wait_for(alice.shown, "the push")
    sent = {"form": "immutable", "immutable_tags": "v*"}
    alice_there.web.post(f"{alice.page}/settings", **sent)

    first, second = alice.layout.image("one"), alice.layout.image("two", files={"x": b"y"})
    with ThreadPoolExecutor(2) as pool:
        pushes = [
            pool.submit(alice.copy, alice.layout.reference(tag), "v1") for tag in ["one", "two"]
        ]
        failures = [push.exception() for push in pushes]
    assert sorted(failure is None for failure in failures) == [False, True]
    assert "immutable" in str(next(failure for failure in failures if failure))
    digest = alice.pulls("v1")
    assert digest in {first["digest"], second["digest"]}

    docker("tag", f"{name}:latest", f"{name}:v1")
    with pytest.raises(Failed) as failure:
        docker("push", f"{name}:v1")
    assert f"denied: {alice.path}:v1 is immutable" in str(failure.value)
    with pytest.raises(Failed, match="immutable"):
        alice.skopeo(
            "delete", "--tls-verify=false", f"--creds={alice.credentials}", alice.reference("v1")
        )
    assert alice.pulls("v1") == digest


def test_every_deletion_is_undone(alice_publishes, alice_there):
    alice = alice_publishes
    children = [
        alice.layout.image(files={"arch": arch.encode()}, platform=("linux", arch))
        for arch in ["amd64", "arm64"]
    ]
    multi = alice.layout.index("multi", children)["digest"]
    alice.copy(alice.layout.reference("multi"), "multi")
    digests = {"1.0": alice.push("1.0"), "multi": multi}
    alice.copy(alice.layout.reference("1.0"), "latest")
    digests["latest"] = digests["1.0"]
    wait_for(lambda: alice.shown() == digests, "the tags")

    tag = alice.delete(("1.0", digests["1.0"]), ("multi", multi))
    assert alice.shown() == {"latest": digests["1.0"]}
    wait_for(lambda: alice.state(tag) == "deleted", "the deletion")
    assert alice.pulls("1.0") is None and alice.pulls(multi) is None
    assert alice.pulls(children[0]["digest"]) is None
    assert alice.pulls("latest") == digests["1.0"]
    alice.undo(tag)
    wait_for(lambda: alice.state(tag) == "undone", "undo")
    assert {tag: alice.pulls(tag) for tag in digests} == digests

    alice.post("/delete", path=alice.path)
    assert alice_there.web.http.get(alice.page).status_code == 404
    whole = alice.inside(f"Deletion.objects.get(path={alice.path!r}, kind='repository').pk")
    wait_for(lambda: alice.state(whole) == "deleted", "the deletion")
    assert alice.pulls("latest") is None
    alice.undo(whole)
    wait_for(lambda: alice.state(whole) == "undone", "undo")
    assert {tag: alice.pulls(tag) for tag in digests} == digests
    assert alice.shown() == digests


def test_nobody_reaches_what_waits_for_undo(alice_publishes, bob_there, skopeo, index):
    alice = alice_publishes
    digest = alice.push("1.0", b"hers alone")
    deletion = alice.delete(("1.0", digest))
    wait_for(lambda: alice.state(deletion) == "deleted", "the deletion")
    held = f"docker://{index.host}/deleted/images@{digest}"
    for credentials in [alice.credentials, f"{bob_there.name}:{bob_there.token}"]:
        with pytest.raises(Failed):
            skopeo("inspect", "--raw", "--tls-verify=false", f"--creds={credentials}", held)
    assert "deleted/images" not in alice.inside(
        "list(Repository.everything.values_list('name', flat=True))"
    )


def test_killed_in_the_middle_of_deleting_and_undoing(index, inside, alice_publishes):
    """The worker dies with its job: another goes on where it stopped."""
    alice = alice_publishes
    digests = {}
    for number in range(12):
        digests[f"t{number}"] = alice.push(f"t{number}", os.urandom(1000))
    wait_for(lambda: alice.shown() == digests, "the tags")
    deletion = alice.delete(*digests.items())
    held = f"HeldManifest.objects.filter(deletion={deletion}, is_held=True).count()"
    wait_for(lambda: inside(held) > 1, "the first steps")
    _kill(index, "worker")
    wait_for(lambda: alice.state(deletion) == "deleted", "the deletion", 90)
    assert all(alice.pulls(tag) is None for tag in ["t0", "t5", "t11"])

    alice.undo(deletion)
    wait_for(lambda: len(alice.shown()) > 0 or alice.state(deletion) == "undone", "the first")
    _kill(index, "worker")
    wait_for(lambda: alice.state(deletion) == "undone", "undo", 90)
    assert alice.shown() == digests
    assert {tag: alice.pulls(tag) for tag in ["t0", "t5", "t11"]} == {
        tag: digests[tag] for tag in ["t0", "t5", "t11"]
    }


def _kill(index, name):
    for pid in index.pids(KILLED[name]):
        os.kill(pid, signal.SIGKILL)


def test_garbage_goes_while_pushes_and_pulls_go_on(index, alice_publishes, alice_there, tmp_path):
    alice = alice_publishes
    stays = alice.push("stays", os.urandom(200_000))
    for number in range(3):
        digest = alice.push(f"gone{number}", os.urandom(200_000))
        reference = alice.reference(digest)
        alice.skopeo("delete", "--tls-verify=false", f"--creds={alice.credentials}", reference)
    pusher = Pusher(index, alice_there, tmp_path)
    puller = Puller(alice)
    pusher.start()
    puller.start()
    try:
        wait_for(lambda: len(pusher.accepted) >= 3, "the first pushes")
        printed = index.manage("collect_garbage", "--yes")
        assert "Pushes go on." in printed
        after = len(pusher.accepted)
        wait_for(lambda: len(pusher.accepted) >= after + 3, "pushes again")
    finally:
        for thread in [pusher, puller]:
            thread.stopping.set()
        for thread in [pusher, puller]:
            thread.join()
    freed = alice.inside("GarbageCollection.objects.latest('pk').freed_bytes")
    assert freed > 500_000
    assert puller.digests == {stays}
    alice.path = f"{alice_there.name}/pushed"
    wait_for(lambda: alice.shown() == pusher.accepted, "all that was accepted")
    for tag, digest in alice.shown().items():
        assert alice.pulls(tag) == digest, tag


class Puller(threading.Thread):
    """Pulls all the time; what it got, and whether it once got nothing."""

    def __init__(self, publisher):
        super().__init__()
        self.publisher = publisher
        self.stopping = threading.Event()
        self.digests = set()

    def run(self):
        while not self.stopping.is_set():
            self.digests.add(self.publisher.pulls("stays"))


def test_a_collector_that_is_killed_does_not_keep_the_gate_shut(index, inside, alice_publishes):
    alice = alice_publishes
    digest = alice.push("gone", os.urandom(1000))
    reference = alice.reference(digest)
    alice.skopeo("delete", "--tls-verify=false", f"--creds={alice.credentials}", reference)
    registries = index.pids(KILLED["registry"])
    collector = subprocess.Popen(
        [sys.executable, "manage.py", "collect_garbage", "--yes"],
        cwd=BASE_DIR,
        env=index.environment,
        stdout=subprocess.DEVNULL,
    )
    running = "GarbageCollection.objects.running().exists()"
    wait_for(lambda: inside(running), "the gate is shut")
    collector.kill()
    collector.wait()
    with pytest.raises(Failed, match="takes no writes"):
        alice.push("meanwhile")
    assert inside("GarbageCollection.objects.running().update(alive_until='2026-01-01T00:00Z')")
    wait_for(lambda: not inside(running), "the gate opens", 45)
    assert not set(registries) & set(index.pids(KILLED["registry"]))
    digest = alice.push("after", b"after")
    assert alice.pulls("after") == digest
