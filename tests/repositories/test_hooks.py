"""POST /hooks/registry: who may, what is understood, and what never blocks the queue."""

import json
import uuid

import pytest
from django.db import OperationalError, connection

from repositories import hooks
from repositories.models import Manifest, RegistryEvent, Repository, Tag
from tests.repositories.registries import real_registry, until

ONE = "sha256:" + "1" * 64
SECRET = "the-secret-of-the-hook"


@pytest.fixture(autouse=True)
def secret(settings):
    settings.REGISTRY_HOOK_SECRET = SECRET


def event(action="push", *, target=None, **fields):
    """As Distribution 2.8 writes it."""
    target = target or {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "size": 428,
        "digest": ONE,
        "length": 428,
        "repository": "alice/app",
        "url": "/v2/alice/app/manifests/" + ONE,
        "tag": "1.0",
    }
    return {
        "id": str(uuid.uuid4()),
        "timestamp": "2026-01-02T03:04:05.678901234Z",
        "action": action,
        "target": target,
        "request": {"id": "x", "addr": "10.0.0.1:4711", "method": "PUT", "useragent": "docker"},
        "actor": {"name": "alice"},
        "source": {"addr": "registry:5000"},
        **fields,
    }


@pytest.fixture
def post(client):
    def send(*events, body=None, authorization=f"Bearer {SECRET}"):
        body = json.dumps({"events": events}) if body is None else body
        headers = {"Authorization": authorization} if authorization else {}
        content_type = "application/vnd.docker.distribution.events.v1+json"
        return client.post("/hooks/registry", body, content_type, headers=headers).status_code

    return send


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", f"Basic {SECRET}", SECRET, "Bearer gehéim"]
)
def test_without_the_secret_it_refuses(post, alice, authorization):
    assert post(event(), authorization=authorization) == 401
    assert not Repository.objects.exists()


def test_is_no_page(client, db):
    assert client.get("/hooks/registry").status_code == 405
    assert client.post("/hooks/registry/").status_code == 404


BODIES = {
    "nothing": "",
    "no JSON": "{",
    "no UTF-8": b"\xff",
    "a list": "[]",
    "no events": "{}",
    "events that are none": '{"events": {"a": 1}}',
    "too deep": "[" * 100_000,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_is_not_understood_is_logged_and_taken(post, db, caplog, body):
    assert post(body=body) == 204
    assert "ignored" in caplog.text


def test_a_body_over_the_limit_is_taken_and_ignored(post, alice, caplog, monkeypatch):
    monkeypatch.setattr(hooks, "MAX_BODY_BYTES", 100)
    assert post(event()) == 204
    assert "more than 100 bytes" in caplog.text
    assert not Repository.objects.exists()


def test_a_body_over_djangos_limit_is_understood(post, alice):
    references = [{"digest": ONE, "size": 1}] * 20_000
    target = {**event()["target"], "references": references}
    assert post(event(target=target)) == 204
    assert Repository.objects.exists()


def target(**fields):
    return {**event()["target"], **fields}


POISON = {
    "no event": None,
    "a number": 7,
    "nothing": {},
    "no id": event(id=None),
    "an id that is none": event(id="x"),
    "an id that is a list": event(id=[1]),
    "another action": event("burn"),
    "an action that is none": event(action={}),
    "no time": event(timestamp=None),
    "a time that is none": event(timestamp="yesterday"),
    "a time before all time": event(timestamp="0001-01-01T00:00:00+23:59"),
    "no target": event(target=[1]),
    "a path of ours that is none": event(target=target(repository="Alice/App")),
    "a path with NUL": event(target=target(repository="alice/a\0pp")),
    "a path that is a number": event(target=target(repository=7)),
    "a long path": event(target=target(repository="alice/" + "a" * 300)),
    "another digest": event(target=target(digest="sha512:" + "0" * 128)),
    "no digest": event(target=target(digest="")),
    "a tag that is none": event(target=target(tag="a b")),
    "a namespace without a user": event(target=target(repository="zed/app")),
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_good_events_beside_bad_ones_are_kept(post, alice, poison):
    assert post(poison, event(), poison) == 204
    assert Tag.objects.get().name == "1.0"


def test_an_event_that_breaks_us_keeps_out_no_other(post, alice, monkeypatch, caplog):
    def record(event):
        if event.tag == "bad":
            raise KeyError
        recorded.append(event)

    recorded = []
    monkeypatch.setitem(hooks.RECORD, hooks.Action.PUSH, record)
    assert post(event(target=target(tag="bad")), event()) == 204
    assert len(recorded) == 1
    assert "could not record push of alice/app" in caplog.text


def test_without_the_database_it_asks_to_come_again(post, alice):
    def away(execute, sql, params, many, context):
        raise OperationalError("the database is away")

    with connection.execute_wrapper(away):
        assert post(event()) == 503
    assert post(event()) == 204


def test_a_push(post, alice):
    assert post(event()) == 204
    row = RegistryEvent.objects.get()
    assert (row.action, row.path, row.tag, row.digest) == ("push", "alice/app", "1.0", ONE)
    assert (row.actor, row.address, row.client) == ("alice", "10.0.0.1", "docker")
    assert row.happened_at.isoformat() == "2026-01-02T03:04:05.678901+00:00"
    assert Tag.objects.get().pushed_by == "alice"


def test_what_is_of_no_interest(post, alice):
    blob = target(mediaType="application/octet-stream")
    ours = {"name": "gantry"}
    events = [event("mount"), event(target=blob), event("pull", target=blob)]
    events += [event("pull", actor=ours), event(actor=ours)]
    assert post(*events) == 204
    assert not RegistryEvent.objects.exists()


def test_a_pull_is_taken_down_once(post, alices_app):
    pull = event("pull")
    for _ in range(10):
        assert post(pull, pull) == 204
    row = RegistryEvent.objects.get()
    assert (row.action, row.counts) == ("pull", None)


def test_a_pull_costs_one_query(post, alices_app, django_assert_num_queries):
    with django_assert_num_queries(1):
        post(event("pull"))


@pytest.mark.parametrize("empty", [{}, {"mediaType": "", "size": 0}], ids=["2.8", "3.x"])
def test_deletions(post, alice, empty):
    empty_tag = {"tag": ""} if empty else {}
    empty_digest = {"digest": ""} if empty else {}
    post(event(), event(target=target(tag="2.0")))
    by_tag = {**empty, **empty_digest, "repository": "alice/app", "tag": "2.0"}
    assert post(event("delete", target=by_tag)) == 204
    assert [tag.name for tag in Tag.objects.all()] == ["1.0"]
    by_digest = {**empty, **empty_tag, "repository": "alice/app", "digest": ONE}
    assert post(event("delete", target=by_digest)) == 204
    assert not Tag.objects.exists()


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1:4711", "10.0.0.1"),
        ("[::1]:4711", "::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("@", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_the_address_is_the_clients_without_its_port(given, address):
    _action, parsed = hooks.parse_event(event(request={"addr": given}))
    assert parsed.address == address


def test_another_time_zone():
    _action, parsed = hooks.parse_event(event(timestamp="2026-01-02T03:04:05.5+02:00"))
    assert parsed.at.isoformat() == "2026-01-02T01:04:05.500000+00:00"


@pytest.mark.django_db(transaction=True)
def test_the_real_registry_reports(live_server, tmp_path, alice):
    with real_registry(tmp_path, notify=live_server.url, secret=SECRET) as registry:
        digest = registry.push("alice/app", "1.0")
        until(lambda: Tag.objects.filter(name="1.0", manifest__digest=digest).exists())
        assert Tag.objects.get().pushed_by == "alice"

        address = "/v2/alice/app/manifests/1.0"
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        for method in ["HEAD", "GET"]:
            assert registry.ask(method, address, subject="bob", **accept).status_code == 200
            assert registry.ask(method, address, subject="gantry", **accept).status_code == 200
        pulls = RegistryEvent.objects.filter(action="pull")
        until(lambda: pulls.count() == 2)
        assert {(pull.actor, pull.tag) for pull in pulls} == {("bob", "1.0")}

        registry.delete("alice/app", digest)
        until(lambda: not Tag.objects.exists())
        assert Manifest.objects.get().missing_since is not None
        until(lambda: RegistryEvent.objects.filter(action="delete").count() == 2)
