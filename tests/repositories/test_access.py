"""The table of who may do what. Every cell is asserted, and lists are held against it."""

import pytest

from accounts.models import AccessToken
from accounts.principals import NOBODY, Principal
from repositories.access import Action, access_to, visible_repositories
from repositories.models import Repository

Scope = AccessToken.Scope
ALL = "pull push delete admin"
PATHS = {
    "public": "alice/app",
    "private": "alice/secret",
    "missing": "alice/nothing",
    "top-level": "debian",
    "no top-level": "nothing",
    "reserved": "staff",
    "no name": "Alice/App",
    "three parts": "alice/app/deep",
}
COLUMNS = ["public", "private", "missing", "top-level"]
TABLE = {
    #                        public  private  missing      top-level
    "nobody":               ("pull", "",      "",          "pull"),
    "alice":                (ALL,    ALL,     "pull push", "pull"),
    "alice, read":          ("pull", "pull",  "pull",      "pull"),
    "alice, write":         ("pull push", "pull push", "pull push", "pull"),
    "alice, delete":        (ALL,    ALL,     "pull push", "pull"),
    "alice, unconfirmed":   ("pull delete admin", "pull delete admin", "pull", "pull"),
    "bob":                  ("pull", "",      "",          "pull"),
    "bob, delete":          ("pull", "",      "",          "pull"),
    "carol, maintainer":    ("pull", "",      "",          ALL),
    "carol, read":          ("pull", "",      "",          "pull"),
    "carol, write":         ("pull", "",      "",          "pull push"),
    "sam, staff":           ("pull", "",      "",          "pull admin"),
    "sam, staff, delete":   ("pull", "",      "",          "pull"),
}  # fmt: skip
CELLS = [
    (who, column, expected)
    for who, row in TABLE.items()
    for column, expected in zip(COLUMNS, row, strict=True)
]


@pytest.fixture
def people(alice, bob, carol, sam, alices_app, alices_secret, debian):
    return {"alice": alice, "bob": bob, "carol": carol, "sam": sam}


def principal_of(people, who: str) -> Principal:
    name, _, rest = who.partition(", ")
    if name == "nobody":
        return NOBODY
    user = people[name]
    user.must_confirm_email = rest == "unconfirmed"
    scope = rest.rpartition(", ")[2]
    return Principal(user, Scope(scope) if scope in Scope.values else None)


@pytest.mark.parametrize(("who", "column", "expected"), CELLS)
def test_table(people, who, column, expected):
    principal = principal_of(people, who)
    path = PATHS[column]

    access = access_to(principal, path)

    assert access.actions == {Action(action) for action in expected.split()}
    assert bool(access.push_refusal) == (Action.PUSH not in access.actions)
    repository = Repository.objects.at(path).first()
    if repository is not None:
        is_visible = visible_repositories(principal).contains(repository)
        # A token that may only read still lists what its owner sees.
        assert is_visible == (Action.PULL in access.actions)
        assert (access.repository is None) == (Action.PULL not in access.actions)


@pytest.mark.parametrize("column", ["no top-level", "reserved", "no name", "three parts"])
@pytest.mark.parametrize("who", ["nobody", "alice", "sam, staff"])
def test_nobody_may_do_anything_to_what_is_no_repository(people, who, column):
    access = access_to(principal_of(people, who), PATHS[column])
    assert access.actions == set()
    assert access.repository is None


def test_a_stranger_is_told_the_same_of_a_private_repository_as_of_none(people):
    private = access_to(Principal(people["bob"]), "alice/secret")
    missing = access_to(Principal(people["bob"]), "alice/nothing")
    assert private.actions == missing.actions == set()
    assert private.repository is missing.repository is None
    assert private.push_refusal == missing.push_refusal.replace("nothing", "secret")
