"""Errors say what happened and whose turn it is; programs get JSON. And the small fixed pages."""

import pytest
from django.test import Client


def test_an_unknown_address_has_our_page(client, db):
    response = client.get("/nothing/here")
    assert response.status_code == 404
    assert "Nothing is here" in response.content.decode()
    assert "/account/login/?next=/nothing/here" in response.content.decode()


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/v1/nothing", "/api/nothing"])
def test_programs_get_json(client, db, path):
    response = client.get(path)
    assert response.status_code == 404
    assert response["Content-Type"] == "application/json"
    assert response.json()["detail"]


def test_a_failure_has_a_page_that_needs_no_database(client, monkeypatch):
    """pytest-django refuses the database to this test: the page is made without."""
    client.raise_request_exception = False
    monkeypatch.setattr("portal.views.highlights.top_level", lambda: 1 / 0)
    response = client.get("/")
    assert response.status_code == 500
    assert "The index has failed" in response.content.decode()


def test_a_form_without_its_token_says_what_to_do(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    response = client.post("/repositories/new", {"name": "x"})
    assert response.status_code == 403
    assert "The form is out of date" in response.content.decode()


def test_a_signed_in_person_is_told_who_he_is(client, alice):
    client.force_login(alice)
    page = client.get("/staff").content.decode()
    assert "You are signed in as alice" in page


def test_staff_have_a_first_page(client, sam):
    client.force_login(sam)
    page = client.get("/staff").content.decode()
    assert "/staff/accounts" in page
    assert "/staff/top-level" in page


def test_the_old_address_of_the_icon_works(client):
    response = client.get("/favicon.ico")
    assert response["Content-Type"] == "image/svg+xml"
    assert len(response.content) < 1024


def test_robots_are_told_where_not_to_look(client):
    response = client.get("/robots.txt")
    assert response["Content-Type"].startswith("text/plain")
    assert "Disallow: /search" in response.content.decode()


@pytest.mark.parametrize(("cookie", "theme"), [("dark", "dark"), ("light", "light")])
def test_the_chosen_colours_come_with_the_page(client, db, cookie, theme):
    client.cookies["gantry_theme"] = cookie
    assert f'data-theme="{theme}"' in client.get("/").content.decode()


@pytest.mark.parametrize("cookie", ["", "system", '"><script>'])
def test_without_a_choice_the_system_decides(client, db, cookie):
    client.cookies["gantry_theme"] = cookie
    assert "data-theme=" not in client.get("/").content.decode()


def test_no_page_has_inline_script_or_style(client, alice):
    client.force_login(alice)
    for path in ["/", "/search", "/u/alice", "/repositories/new", "/account/"]:
        page = client.get(path).content.decode()
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page
        assert "//" not in page.partition("</head>")[0].replace("http://www.w3.org", "")
