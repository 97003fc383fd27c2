"""Django's own pages over our tables: to look at, not to change past the audit log."""

import pytest
from django.contrib.admin import site

from tests.repositories.pushed import push

TABLES = ["repository", "manifest", "tag", "tagchange", "registryevent", "pendingwrite"]


@pytest.fixture
def superuser(client, sam):
    sam.is_superuser = True
    sam.save(update_fields=["is_superuser"])
    client.force_login(sam)
    return client


def test_is_for_staff(client, alice):
    client.force_login(alice)
    assert client.get("/admin/repositories/repository/").status_code == 302


@pytest.mark.parametrize("table", TABLES)
def test_lists_but_adds_nothing(superuser, alices_app, table):
    push(alices_app, "latest")
    assert superuser.get(f"/admin/repositories/{table}/").status_code == 200
    assert superuser.get(f"/admin/repositories/{table}/add/").status_code == 403


def test_a_row_is_shown_but_not_changed(superuser, alices_app):
    manifest = push(alices_app, "latest")
    address = f"/admin/repositories/manifest/{manifest.pk}/change/"
    assert superuser.get(address).status_code == 200
    assert superuser.post(address, {"kind": "artifact"}).status_code == 403


def test_every_table_that_is_shown_is_tested():
    ours = [model._meta for model in site._registry if model._meta.app_label == "repositories"]
    assert {meta.model_name for meta in ours} == set(TABLES)
