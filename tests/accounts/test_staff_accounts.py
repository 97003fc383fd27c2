"""What staff see of accounts and do to them."""

import pytest
from django.test import Client

from accounts import access_tokens
from accounts.models import AuditEvent, User

ACTIONS = ["deactivate", "activate", "make-staff", "remove-staff", "confirm"]


@pytest.fixture
def staff(client, sam) -> Client:
    client.force_login(sam)
    return client


@pytest.mark.parametrize("path", ["", "/alice", *[f"/alice/{action}" for action in ACTIONS]])
def test_is_for_staff_alone(client, alice, bob, path):
    assert client.post(f"/staff/accounts{path}")["Location"].startswith("/account/login/")
    client.force_login(bob)
    assert client.get(f"/staff/accounts{path}").status_code == 403
    assert client.post(f"/staff/accounts{path}").status_code == 403
    assert not AuditEvent.objects.filter(action__startswith="staff.").exists()


@pytest.mark.parametrize("action", [*ACTIONS, "reset-link"])
def test_acts_by_post_with_a_token_on_somebody_who_exists(alice, sam, action):
    staff = Client(enforce_csrf_checks=True)
    staff.force_login(sam)
    assert staff.get(f"/staff/accounts/alice/{action}").status_code == 405
    assert staff.post(f"/staff/accounts/alice/{action}").status_code == 403
    unguarded = Client()
    unguarded.force_login(sam)
    assert unguarded.post(f"/staff/accounts/nobody/{action}").status_code == 404


@pytest.mark.parametrize("action", ["deactivate", "make-staff", "remove-staff"])
def test_nobody_acts_on_himself(staff, sam, action):
    staff.post(f"/staff/accounts/sam/{action}")

    sam.refresh_from_db()
    assert sam.is_active and sam.is_staff and not sam.is_superuser
    assert "another staff member" in staff.get("/staff/accounts/sam").text
    assert not AuditEvent.objects.filter(action__startswith="staff.").exists()


def test_switching_off_ends_everything_at_once(staff, alice, sam):
    browser = Client()
    browser.post("/account/login/", {"login": "alice", "password": "alice-password-1"})
    assert browser.get("/account/").status_code == 200
    token, secret = access_tokens.create(alice, "laptop", "read")
    device = access_tokens.create_for_device(alice, "docker", parent=token)

    staff.post("/staff/accounts/alice/deactivate")

    assert browser.get("/account/").status_code == 302
    assert access_tokens.find(secret) is None
    assert access_tokens.find(device) is None
    event = AuditEvent.objects.get(action="staff.account_deactivated")
    assert (event.actor_name, event.target) == ("sam", "alice")

    staff.post("/staff/accounts/alice/activate")

    alice.refresh_from_db()
    assert alice.is_active
    assert browser.get("/account/").status_code == 302
    assert access_tokens.find(secret) is None


def test_gives_and_takes_the_office(staff, alice):
    staff.post("/staff/accounts/alice/make-staff")
    alice.refresh_from_db()
    assert alice.is_staff and alice.is_superuser

    staff.post("/staff/accounts/alice/remove-staff")
    alice.refresh_from_db()
    assert not alice.is_staff and not alice.is_superuser
    actions = AuditEvent.objects.filter(target="alice", action__startswith="staff.")
    assert [event.action for event in actions.order_by("pk")] == [
        "staff.office_given",
        "staff.office_taken",
    ]


def test_makes_a_reset_link_that_is_not_kept(staff, alice):
    page = staff.post("/staff/accounts/alice/reset-link")

    assert "no-store" in page["Cache-Control"]
    link = page.context["link"]
    assert link in page.text
    assert AuditEvent.objects.get(action="staff.reset_link_made").target == "alice"
    assert not AuditEvent.objects.filter(details__icontains=link[-20:]).exists()


def test_confirms_an_address_for_somebody(staff, alice):
    User.objects.update(must_confirm_email=True)
    staff.post("/staff/accounts/alice/confirm")
    alice.refresh_from_db()
    assert not alice.must_confirm_email


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("ali", ["alice"]),
        ("BOB@", ["bob"]),
        ("%", []),
        ("'; --", []),
        ("\0", ["sam", "bob", "alice"]),
    ],
)
def test_finds_accounts(staff, alice, bob, query, found):
    page = staff.get("/staff/accounts", {"q": query})
    assert sorted(person.username for person in page.context["page"]) == sorted(found)


def test_costs_the_same_queries_for_many_accounts(staff, django_assert_num_queries):
    User.objects.bulk_create(User(username=f"user{number}") for number in range(60))
    # Session, user, how many accounts, those of one page, when the session was seen last.
    with django_assert_num_queries(5):
        page = staff.get("/staff/accounts?page=2")
    assert "Page 2 of 2" in page.text


def test_the_admin_shows_no_secrets_and_changes_nothing(client, alice):
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    token, _secret = access_tokens.create(alice, "laptop", "read")
    assert client.get("/admin/", follow=True).redirect_chain[-1][0].startswith("/account/login/")
    alice.refresh_from_db()
    client.force_login(alice)

    shown = client.get(f"/admin/accounts/accesstoken/{token.pk}/change/").text
    shown += client.get(f"/admin/accounts/user/{alice.pk}/change/").text
    assert token.digest not in shown
    assert alice.password not in shown
    assert client.get("/admin/accounts/auditevent/").status_code == 200
    assert client.post(f"/admin/accounts/accesstoken/{token.pk}/delete/").status_code == 403
    assert client.post("/admin/accounts/auditevent/add/").status_code == 403


@pytest.mark.parametrize("name", ["%00", "Alice", "alice%20", "nobody"])
def test_what_is_no_name_of_anybody_is_not_there(staff, name):
    assert staff.get(f"/staff/accounts/{name}").status_code == 404
