"""The table of who may do what. Every cell is asserted, and lists are held against it."""

import pytest
from django.utils import timezone

from accounts.models import AccessToken
from accounts.principals import NOBODY, Principal
from repositories.access import Action, Level, Role, access_to, visible_repositories
from repositories.models import Repository
from repositories.refusals import Rule

Scope = AccessToken.Scope
KEEP = "pull push delete admin"
ALL = "pull push delete admin own"
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
# "push on both" means: let in with that level to alice/app and to alice/secret.
TABLE = {
    #                               public       private      missing      top-level
    "nobody":                       ("pull",      "",          "",          "pull"),
    "alice":                        (ALL,         ALL,         "pull push", "pull"),
    "alice, read":                  ("pull",      "pull",      "pull",      "pull"),
    "alice, write":                 ("pull push", "pull push", "pull push", "pull"),
    "alice, delete":                (ALL,         ALL,         "pull push", "pull"),
    "alice, unconfirmed":           ("pull delete admin own", "pull delete admin own",
                                                               "pull",      "pull"),
    "bob":                          ("pull",      "",          "",          "pull"),
    "bob, delete":                  ("pull",      "",          "",          "pull"),
    "bob, invited to admin":        ("pull",      "",          "",          "pull"),
    "bob, pull on both":            ("pull",      "pull",      "",          "pull"),
    "bob, pull on both, read":      ("pull",      "pull",      "",          "pull"),
    "bob, pull on both, delete":    ("pull",      "pull",      "",          "pull"),
    "bob, pull on both, ownerless": ("pull",      "",          "",          "pull"),
    "bob, push on both":            ("pull push", "pull push", "",          "pull"),
    "bob, push on both, read":      ("pull",      "pull",      "",          "pull"),
    "bob, push on both, write":     ("pull push", "pull push", "",          "pull"),
    "bob, push on both, delete":    ("pull push", "pull push", "",          "pull"),
    "bob, push on both, unconfirmed": ("pull",    "pull",      "",          "pull"),
    "bob, push on both, ownerless": ("pull",      "",          "",          "pull"),
    "bob, admin on both":           (KEEP,        KEEP,        "",          "pull"),
    "bob, admin on both, read":     ("pull",      "pull",      "",          "pull"),
    "bob, admin on both, write":    ("pull push", "pull push", "",          "pull"),
    "bob, admin on both, delete":   (KEEP,        KEEP,        "",          "pull"),
    "bob, admin on both, unconfirmed": ("pull delete admin", "pull delete admin",
                                                               "",          "pull"),
    "bob, admin on both, ownerless": ("pull",     "",          "",          "pull"),
    "carol, maintainer":            ("pull",      "",          "",          ALL),
    "carol, read":                  ("pull",      "",          "",          "pull"),
    "carol, write":                 ("pull",      "",          "",          "pull push"),
    "carol, delete":                ("pull",      "",          "",          ALL),
    "carol, unconfirmed":           ("pull", "", "", "pull delete admin own"),
    "carol, push on both":          ("pull push", "pull push", "",          ALL),
    "sam, staff":                   ("pull",      "",          "",          "pull admin"),
    "sam, staff, delete":           ("pull",      "",          "",          "pull"),
    "sam, staff, pull on both":     ("pull",      "pull",      "",          "pull admin"),
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
    name, *rest = who.split(", ")
    if name == "nobody":
        return NOBODY
    user = people[name]
    user.must_confirm_email = "unconfirmed" in rest
    for words in rest:
        level = words.removesuffix(" on both").removeprefix("invited to ")
        if level in Level.values and level != words:
            accepted_at = timezone.now() if words.endswith("both") else None
            for repository in Repository.objects.filter(namespace__name="alice"):
                repository.collaborators.create(
                    user=user, level=level, invited_by="alice", accepted_at=accepted_at
                )
    if "ownerless" in rest:
        people["alice"].delete()
    scope = next((Scope(words) for words in rest if words in Scope.values), None)
    return Principal(user, scope)


@pytest.mark.parametrize(("who", "column", "expected"), CELLS)
def test_table(people, who, column, expected):
    principal = principal_of(people, who)
    path = PATHS[column]

    access = access_to(principal, path)

    assert access.actions == {Action(action) for action in expected.split()}
    for action in [Action.PULL, Action.PUSH, Action.DELETE]:
        assert (access.refusal(action) is None) == access.allows(action)
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


@pytest.mark.parametrize(
    "who", ["nobody", "bob", "bob, read", "bob, invited to push", "sam, staff"]
)
@pytest.mark.parametrize("action", [Action.PULL, Action.PUSH, Action.DELETE])
def test_a_stranger_is_told_the_same_of_a_private_repository_as_of_none(people, who, action):
    principal = principal_of(people, who)
    private, missing = access_to(principal, "alice/secret"), access_to(principal, "alice/nothing")
    assert private.actions == missing.actions == set()
    assert private.repository is missing.repository is None
    assert private.role == missing.role == Role.NONE
    of_missing = str(missing.refusal(action))
    assert str(private.refusal(action)) == of_missing.replace("nothing", "secret")


GRANTED = [
    # who, the levels that he may give and take
    ("alice", "pull push admin"),
    ("bob, admin on both", "pull push"),
    ("bob, push on both", ""),
    ("bob", ""),
    ("sam, staff", ""),
]


@pytest.mark.parametrize(("who", "expected"), GRANTED)
def test_nobody_lets_others_in_with_what_only_the_owner_gives(people, who, expected):
    access = access_to(principal_of(people, who), "alice/app")
    assert [level for level in Level.values if access.may_grant(level)] == expected.split()


REFUSALS = [
    # who, column, action, rule
    ("nobody", "public", "push", Rule.LOGIN),
    ("nobody", "private", "pull", Rule.NOT_FOUND),
    ("nobody", "no name", "push", Rule.NAME),
    ("bob", "private", "pull", Rule.NOT_FOUND),
    ("bob", "public", "push", Rule.NAMESPACE),
    ("bob", "private", "delete", Rule.NAMESPACE),
    ("bob", "top-level", "push", Rule.TOP_LEVEL),
    ("bob", "no top-level", "delete", Rule.TOP_LEVEL),
    ("bob", "three parts", "push", Rule.NAME),
    ("bob, pull on both", "private", "push", Rule.LEVEL),
    ("bob, push on both", "public", "delete", Rule.LEVEL),
    ("bob, pull on both, unconfirmed", "public", "push", Rule.LEVEL),
    ("bob, push on both, unconfirmed", "public", "push", Rule.EMAIL),
    ("bob, push on both, read", "public", "push", Rule.SCOPE),
    ("alice, read", "missing", "push", Rule.SCOPE),
    ("alice, write", "public", "delete", Rule.SCOPE),
    ("alice, unconfirmed", "missing", "push", Rule.EMAIL),
    ("alice, read, unconfirmed", "public", "push", Rule.EMAIL),
    ("carol, read", "top-level", "push", Rule.SCOPE),
]


@pytest.mark.parametrize(("who", "column", "action", "rule"), REFUSALS)
def test_a_refusal_names_the_rule_that_decides(people, who, column, action, rule):
    refusal = access_to(principal_of(people, who), PATHS[column]).refusal(Action(action))
    assert refusal.rule == rule
    assert str(refusal).isascii()
    assert str(refusal).endswith(f". {refusal.address}")


@pytest.mark.parametrize(
    "path", ["alice/app", "alice/secret", "alice/nothing", "debian", "nothing"]
)
@pytest.mark.parametrize("who", ["nobody", "alice", "bob", "bob, push on both"])
def test_costs_one_query_whoever_asks(people, who, path, django_assert_max_num_queries):
    principal = principal_of(people, who)
    access_to(principal, path)
    # Who keeps a top-level repository is a second one.
    with django_assert_max_num_queries(2 if path == "debian" else 1):
        access_to(principal, path)
