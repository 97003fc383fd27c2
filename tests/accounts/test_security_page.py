"""The page of what happened to one's account: one's own rows alone, and all of those."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import access_tokens, credentials, deactivation, security
from accounts.credentials import BadCredentials
from accounts.models import AccessToken, AuditEvent

PAGE = "/account/security"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def page(client, alice):
    """The page's HTML, as alice sees it."""
    client.force_login(alice)

    def look(query: str = "") -> str:
        response = client.get(PAGE + query)
        assert response.status_code == 200
        return response.text

    return look


def use(secret: str, address: str) -> None:
    AccessToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    credentials.authenticate("alice", secret, address=address, client="docker/27.0 go/1.22")


def whats(user) -> list[str]:
    return [event.what for event in security.events_of(user)[0]]


def test_strangers_sign_in_first(db, client):
    assert client.get(PAGE)["Location"] == f"/account/login/?next={PAGE}"


def test_shows_nothing_of_others(page, alice, bob):
    access_tokens.create(bob, "bobs", "read")
    # A token of bob's that is called as alice is not about alice.
    access_tokens.create(bob, "alice", "read")
    deactivation.deactivate(bob, None)
    assert "Nothing yet." in page()


def test_a_place_that_is_none_is_the_newest(page, alice, bob):
    access_tokens.create(alice, "laptop", "read")
    access_tokens.create(bob, "phone", "read")
    of_bob = AuditEvent.objects.get(target="phone")
    for query in [
        "?before=",
        "?before=x",
        "?before=²",
        f"?before={'9' * 30}",
        f"?before={of_bob.pk}",
    ]:
        assert "Access token “laptop” made" in page(query)


def test_names_in_it_are_text(page, alice):
    access_tokens.create(alice, "<b>%s</b>", "read")
    assert "Access token “&lt;b&gt;%s&lt;/b&gt;” made" in page()


def test_shows_sign_ins_with_address_and_client(client, alice):
    browser = Client(headers={"user-agent": FIREFOX}, REMOTE_ADDR="192.0.2.7")
    browser.post("/account/login/", {"login": "alice", "password": "alice-password-1"})
    text = browser.get(PAGE).text
    assert "Signed in" in text
    assert "192.0.2.7" in text
    assert "Firefox 140" in text


def test_groups_failed_sign_ins_by_address_and_client(page, alice):
    browser = Client(headers={"user-agent": FIREFOX})
    for number in range(3):
        browser.post("/account/login/", {"login": "alice", "password": f"wrong {number}"})
        with pytest.raises(BadCredentials):
            credentials.authenticate(
                "alice@example.com", f"bad {number}", address="192.0.2.7", client="docker/27.0"
            )
    # The same wrong secret again, as robots send it, is no new one; and of nobody, nobody's.
    browser.post("/account/login/", {"login": "alice", "password": "wrong 0"})
    browser.post("/account/login/", {"login": "nobody", "password": "wrong"})

    groups = [
        (group.address, group.client, group.count) for group in security.failed_sign_ins_of(alice)
    ]
    assert groups == [("192.0.2.7", "docker/27.0", 3), ("127.0.0.1", FIREFOX, 3)]
    assert "Failed sign-ins" in page()
    assert AuditEvent.objects.filter(action="user.sign_in_failed").count() == 6


def test_says_from_which_new_addresses_a_token_was_used(alice):
    _token, secret = access_tokens.create(alice, "ci", "read")
    for address in ["192.0.2.7", "198.51.100.1", "192.0.2.7", "198.51.100.1", "2001:db8::1"]:
        use(secret, address)
    use(secret, "2001:db8::2")  # the same network, and so the same place

    used = AuditEvent.objects.filter(action=access_tokens.USED_FROM_NEW_ADDRESS).order_by("pk")
    assert [event.address for event in used] == ["192.0.2.7", "198.51.100.1", "2001:db8::1"]
    assert whats(alice)[0] == "Access token “ci” used from a new address"


def test_a_token_that_moves_all_day_is_not_told_without_end(alice):
    _token, secret = access_tokens.create(alice, "ci", "read")
    for number in range(access_tokens.MAX_ADDRESSES_A_DAY + 5):
        use(secret, f"192.0.2.{number}")
    used = AuditEvent.objects.filter(action=access_tokens.USED_FROM_NEW_ADDRESS)
    assert used.count() == access_tokens.MAX_ADDRESSES_A_DAY


def test_shows_what_the_staff_did_but_not_from_where(client, alice, sam):
    staff = Client(REMOTE_ADDR="203.0.113.9", headers={"user-agent": FIREFOX})
    staff.force_login(sam)
    staff.post("/staff/accounts/alice/deactivate")
    staff.post("/staff/accounts/alice/activate")
    client.force_login(type(alice).objects.get(pk=alice.pk))

    text = client.get(PAGE).text
    assert "Account switched off by the staff" in text
    assert "203.0.113.9" not in text


def test_shows_changes_of_password_and_address_and_the_end_of_tokens(page, client, alice):
    token, _secret = access_tokens.create(alice, "laptop", "read")
    page()
    client.post(
        "/account/password/change/",
        {"oldpassword": "alice-password-1", "password1": "correct horse"},
    )
    client.post("/account/email/", {"email": "new@example.com", "action_add": ""})
    client.post(f"/account/tokens/{token.pk}/revoke")
    assert whats(alice)[:3] == [
        "Access token “laptop” revoked",
        "E-mail address changed",
        "Password changed",
    ]


def test_older_ones_are_reached_without_gap_or_repetition(page, alice):
    at = timezone.now()
    AuditEvent.objects.bulk_create(
        AuditEvent(
            action="access_token.created",
            actor_id=alice.pk,
            target=f"token-{number}",
            at=at - timedelta(minutes=number // 7),  # several at one moment
        )
        for number in range(120)
    )
    seen: list[str] = []
    before = None
    while True:
        events, before = security.events_of(alice, before)
        seen += [event.what for event in events]
        if before is None:
            break
    assert len(seen) == len(set(seen)) == 120
    assert "Older" in page()
    older = security.events_of(alice)[1]
    assert "Newest" in page(f"?before={older}")


def test_costs_the_same_queries_for_many_events(page, alice, django_assert_num_queries):
    AuditEvent.objects.bulk_create(
        AuditEvent(action=action, actor_id=alice.pk, target="alice", address=f"192.0.2.{number}")
        for number in range(40)
        for action in ["user.signed_in", "user.sign_in_failed"]
    )
    page()
    with django_assert_num_queries(5):  # session and its last sight, user, failures, events
        page()
