"""Deleting one's account: what the page asks and lists, and what becomes of repositories."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import deletion
from accounts.models import AccountDeletion, AuditEvent, Namespace, User
from accounts.principals import NOBODY
from repositories import account_deletion
from repositories.access import Action, access_to
from repositories.models import DailyPulls, Deletion, Repository

PAGE = "/account/delete"
FORM = {"public_images": "keep", "username": "alice", "password": "alice-password-1"}


@pytest.fixture
def browser(client, alice):
    client.force_login(alice)
    return client


def make_due() -> None:
    AccountDeletion.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def pulled(repository: Repository, count: int, days_ago: int) -> None:
    day = timezone.now().date() - timedelta(days=days_ago)
    DailyPulls.objects.create(repository=repository, tag="latest", day=day, count=count)


def test_strangers_sign_in_first(db, client):
    assert client.post(PAGE, FORM)["Location"] == f"/account/login/?next={PAGE}"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"password": "wrong"}, "This is not your current password."),
        ({"password": ""}, "This field is required."),
        ({"username": "bob"}, "it is “alice”"),
        ({"username": ""}, "This field is required."),
        ({"public_images": "sell"}, "Select a valid choice"),
    ],
)
def test_asks_for_name_and_password(browser, fields, problem):
    response = browser.post(PAGE, {**FORM, **fields})
    assert problem in response.text
    assert not AccountDeletion.objects.exists()


def test_a_password_is_not_guessed_here_either(browser):
    for number in range(10):
        browser.post(PAGE, {**FORM, "password": f"wrong {number}"})
    assert browser.post(PAGE, FORM).status_code == 429
    assert not AccountDeletion.objects.exists()


def test_the_last_of_the_staff_is_told_so(client, sam):
    client.force_login(sam)
    assert "You are the last of the staff" in client.get(PAGE).text
    form = {**FORM, "username": "sam", "password": "sam-password-1"}
    assert "You are the last of the staff" in client.post(PAGE, form).text
    assert User.objects.get(username="sam").is_active


def test_lists_repositories_with_the_pulls_of_90_days(browser, alices_app, alices_secret, debian):
    debian.maintainers.add(User.objects.get(username="alice"))
    pulled(alices_app, 1200, 0)
    pulled(alices_app, 34, 89)
    pulled(alices_app, 5000, 90)

    text = browser.get(PAGE).text
    assert "1,234" in text
    assert text.index("alice/app") < text.index("alice/secret")
    assert '<a href="/_/debian">debian</a>' in text


def test_costs_the_same_queries_for_many_repositories(
    browser, alice, django_assert_max_num_queries
):
    Repository.objects.bulk_create(
        Repository(namespace=alice.namespace, name=f"app-{number}") for number in range(250)
    )
    with django_assert_max_num_queries(9):
        text = browser.get(PAGE).text
    assert "And 50 more" in text


def test_switches_the_account_off_and_lets_others_pull(browser, alice, alices_app):
    response = browser.post(PAGE, FORM)

    assert "Your account is switched off" in response.text
    assert browser.get("/account/").status_code == 302
    asked = AccountDeletion.objects.get()
    assert asked.keeps_public_images
    assert not User.objects.get(pk=alice.pk).is_active
    assert access_to(NOBODY, "alice/app").allows(Action.PULL)
    assert browser.get("/r/alice/app").status_code == 200
    event = AuditEvent.objects.get(action="account.deletion_asked")
    assert (event.actor_name, str(event.address)) == ("alice", "127.0.0.1")


def test_is_not_finished_before_its_time_or_after_undo(alice, alices_app):
    deletion.ask_for(alice, None, keeps_public_images=False)
    assert account_deletion.finish_due() == 0
    make_due()
    deletion.undo(alice, None)
    assert account_deletion.finish_due() == 0
    assert User.objects.filter(pk=alice.pk).exists()
    assert Repository.objects.filter(pk=alices_app.pk).exists()


@pytest.mark.parametrize(("keeps", "left"), [(True, ["app"]), (False, [])])
def test_keeps_or_removes_public_images_and_always_removes_private_ones(
    alice, bob, alices_app, alices_secret, debian, keeps, left
):
    debian.maintainers.add(alice)
    others = Repository.objects.create(namespace=bob.namespace, name="app")
    deletion.ask_for(alice, None, keeps_public_images=keeps)
    make_due()

    assert account_deletion.finish_due() == 1

    namespace = Namespace.objects.get(name="alice")
    assert namespace.user is None
    assert [row.name for row in Repository.objects.filter(namespace=namespace)] == left
    removed = Deletion.objects.values_list("path", flat=True)
    assert set(removed) == {"alice/app", "alice/secret"} - {f"alice/{name}" for name in left}
    assert Repository.objects.filter(pk=others.pk).exists()
    assert not debian.maintainers.filter(username="alice").exists()
    assert access_to(NOBODY, "alice/app").allows(Action.PULL) is keeps
    assert not access_to(NOBODY, "alice/secret").allows(Action.PULL)
    assert account_deletion.finish_due() == 0


def test_one_that_fails_changes_nothing(alice, alices_secret, monkeypatch):
    """All or nothing: no person without repositories, no repositories without a person."""
    deletion.ask_for(alice, None, keeps_public_images=False)
    make_due()

    def fail(*_arguments):
        raise RuntimeError

    monkeypatch.setattr("accounts.deletion.finish", fail)
    with pytest.raises(RuntimeError):
        account_deletion.finish_due()
    assert not Deletion.objects.exists()
    assert Repository.objects.filter(pk=alices_secret.pk).exists()


def test_the_page_of_who_has_gone_shows_what_is_left(client, alice, alices_app):
    debian_of_nobody = Repository.objects.create(name="debian", pushed_at=timezone.now())
    Repository.objects.filter(pk=alices_app.pk).update(pushed_at=timezone.now())
    User.objects.filter(pk=alice.pk).update(name="Alice Liddell", bio="Down the rabbit hole")
    deletion.ask_for(alice, None, keeps_public_images=True)
    make_due()
    account_deletion.finish_due()

    text = client.get("/u/alice").text
    assert "This account is deleted." in text
    assert "/r/alice/app" in text
    assert "Liddell" not in text
    assert "rabbit" not in text
    assert debian_of_nobody.get_absolute_url() not in text


def test_who_has_gone_with_all_images_has_no_page(client, alice, alices_app):
    Repository.objects.filter(pk=alices_app.pk).update(pushed_at=timezone.now())
    deletion.ask_for(alice, None, keeps_public_images=False)
    make_due()
    account_deletion.finish_due()
    assert client.get("/u/alice").status_code == 404
