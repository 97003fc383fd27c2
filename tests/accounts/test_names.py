"""Names of users and namespaces: what is taken, what is told, what the database refuses itself."""

import re

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts import names
from accounts.models import Namespace, User

GOOD = ["al", "a1", "alice", "alice-b", "a_b-c", "0day", "123", "a" * 39, "x-1_2"]
BAD = {
    "a": "2 to 39 characters",
    "": "2 to 39 characters",
    "a" * 40: "2 to 39 characters",
    "Alice": "letters a to z",
    "al ice": "letters a to z",
    "al.ice": "letters a to z",
    "al/ice": "letters a to z",
    "älice": "letters a to z",
    "аlice": "letters a to z",  # the first letter is Cyrillic
    "alice\n": "letters a to z",
    "al\0ice": "letters a to z",
    "٣٤٥": "letters a to z",  # digits, but not ours
    "-alice": "stand alone",
    "alice-": "stand alone",
    "_alice": "stand alone",
    "al--ice": "stand alone",
    "al_-ice": "stand alone",
    "library": "uses itself",
    "admin": "uses itself",
    "v2": "uses itself",
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_name(name):
    names.check(name)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_name_is_told_why(name):
    with pytest.raises(names.BadName, match=BAD[name]):
        names.check(name)


@pytest.mark.parametrize("name", [*BAD, *sorted(names.RESERVED)])
def test_the_database_refuses_it_too(db, name):
    for model, field in [(User, "username"), (Namespace, "name")]:
        # Past save() and its folding, as a careless script would. DataError: too long, or NUL.
        with pytest.raises((IntegrityError, DataError)), transaction.atomic():
            model.objects.bulk_create([model(**{field: name})])


def test_reserved_names_that_the_url_space_and_clients_use():
    assert {"library", "v1", "v2", "token", "gate", "hooks", "api", "gantry"} <= names.RESERVED
    assert all(re.fullmatch(r"[a-z0-9_-]+", name) for name in names.RESERVED)


# --- Taken, and what is free --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "free"),
    [
        ("Alice Smith", "alice-smith"),
        ("alice", "alice-1"),
        ("--x--y--", "x-y"),
        ("staff", "staff-1"),
        ("al__ice", "al_ice"),
        ("a" * 60, "a" * 36),
        ("名字", None),
        ("!", None),
    ],
)
def test_suggests_a_free_name_near_it(wanted, free):
    assert names.suggest(wanted, lambda name: name != "alice") == free


def test_suggests_nothing_where_all_are_taken():
    assert names.suggest("alice", lambda _name: False) is None


@given(st.text(max_size=80))
def test_what_is_suggested_can_be_had(text):
    name = names.suggest(text, lambda _name: True)
    if name is not None:
        names.check(name)


def test_who_takes_a_taken_name_is_told_a_free_one(alice):
    with pytest.raises(ValidationError, match=r"taken.*alice-1.*free"):
        Namespace.check_free_for("alice")
    Namespace.check_free_for("alice", alice.pk)


def test_case_does_not_make_another_name(alice):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user(username="ALICE", password="x")
    assert User.objects.get_by_natural_key("Alice") == alice


def test_the_name_of_who_has_gone_is_never_given_again(alice):
    alice.delete()
    with pytest.raises(ValidationError, match="taken"):
        Namespace.check_free_for("alice")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user(username="alice", password="x")
    assert not User.objects.filter(username="alice").exists()


@pytest.mark.parametrize(
    ("name", "is_usable"), [("alice", True), ("al", False), ("a-b-c-d", False), ("a" * 31, False)]
)
def test_names_that_old_docker_refuses(name, is_usable):
    assert names.is_usable_by_old_docker(name) is is_usable
