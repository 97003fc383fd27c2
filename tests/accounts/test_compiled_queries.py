"""Queries whose SQL is made once give the very rows that their querysets give."""

import pytest
from django.db.models import OuterRef, Subquery

from accounts.compiled_queries import CompiledQuery
from accounts.models import AccessToken, AuditEvent, Namespace, User

BY_NAME = CompiledQuery(lambda name: Namespace.objects.select_related("user").filter(name=name))


def test_gives_the_row_with_its_relations_or_none(alice, bob, django_assert_num_queries):
    for user in [alice, bob, alice]:
        with django_assert_num_queries(1):
            namespace = BY_NAME.first(user.username)
            assert namespace.user.username == user.username
        expected = Namespace.objects.get(name=user.username)
        for field in Namespace._meta.concrete_fields:
            assert getattr(namespace, field.attname) == getattr(expected, field.attname)
    assert BY_NAME.first("nobody") is None


def test_an_empty_relation_is_none(alice):
    alice.delete()
    assert BY_NAME.first("alice").user is None


@pytest.mark.parametrize("value", ["' OR 1=1 --", "%", "%s", "\\", "名字", "mark-0", ""])
def test_values_are_values(alice, value):
    assert BY_NAME.first(value) is None


def test_values_keep_their_places_and_constants_theirs(alice, bob):
    query = CompiledQuery(
        lambda name, email: User.objects.filter(email=email, is_active=True, username=name, bio="")
    )
    assert query.first("alice", "alice@example.com") == alice
    assert query.first("alice", "bob@example.com") is None
    alice.bio = "changed"
    alice.save()
    assert query.first("alice", "alice@example.com") is None


def test_a_row_can_be_saved(alice):
    query = CompiledQuery(lambda digest: AccessToken.objects.filter(digest=digest))
    made = AccessToken.objects.create(user=alice, name="a", digest="0" * 64)
    found = query.first("0" * 64)
    found.name = "b"
    found.save()
    made.refresh_from_db()
    assert made.name == "b"
    assert AccessToken.objects.count() == 1


def test_what_is_annotated_stands_beside_the_row(alice, bob):
    tokens = AccessToken.objects.filter(user__username=OuterRef("username"))
    query = CompiledQuery(
        lambda token, name: User.objects.annotate(
            scope=Subquery(tokens.filter(name=token).values("scope")[:1])
        ).filter(username=name)
    )
    AccessToken.objects.create(user=alice, name="robot", scope="write", digest="0" * 64)
    assert query.first("robot", "alice").scope == "write"
    assert query.first("robot", "bob").scope is None
    assert query.first("other", "alice").scope is None


def test_a_column_that_needs_conversion_is_refused(db):
    query = CompiledQuery(lambda action: AuditEvent.objects.filter(action=action))
    with pytest.raises(TypeError, match="no conversion"):
        query.first("x")  # has JSON
