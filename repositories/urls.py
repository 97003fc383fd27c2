"""Pages. The addresses are the ones that Docker Hub taught everyone."""

from django.urls import path

from repositories import (
    account_views,
    collaborator_views,
    deletion_views,
    digest_views,
    settings_views,
    tag_views,
    views,
    why_views,
)

app_name = "repositories"
urlpatterns = [
    path("digest", digest_views.digest_box, name="digest_box"),
    path("digest/<str:digest>", digest_views.digest, name="digest"),
    path("search", views.search_results, name="search"),
    path("repositories/new", settings_views.new_repository, name="new"),
    path("account/delete", account_views.delete_account, name="delete_account"),
    path("u/<str:name>", views.namespace, name="namespace"),
    path("u/<str:name>/picture.svg", views.picture, name="picture"),
    path("_/<str:name>", views.repository, name="top_level_repository"),
    path("_/<str:name>/tags", views.tags, name="top_level_tags"),
    path("_/<str:name>/tags/<str:tag>", tag_views.tag, name="top_level_tag"),
    path("_/<str:name>/tags/<str:tag>/history", tag_views.tag_history),
    path("_/<str:name>/settings", settings_views.repository_settings, name="top_level_settings"),
    path("r/<str:namespace>/<str:name>", views.repository, name="repository"),
    path("r/<str:namespace>/<str:name>/tags", views.tags, name="tags"),
    path("r/<str:namespace>/<str:name>/tags/<str:tag>", tag_views.tag, name="tag"),
    path("r/<str:namespace>/<str:name>/tags/<str:tag>/history", tag_views.tag_history),
    path(
        "r/<str:namespace>/<str:name>/settings",
        settings_views.repository_settings,
        name="settings",
    ),
    path("_/<str:name>/settings/who-may", collaborator_views.who_may, name="top_level_who_may"),
    path(
        "r/<str:namespace>/<str:name>/settings/who-may",
        collaborator_views.who_may,
        name="who_may",
    ),
    path(
        "r/<str:namespace>/<str:name>/invitation",
        collaborator_views.invitation,
        name="invitation",
    ),
    path("_/<str:name>/tags/<str:tag>/manage", deletion_views.manage_tag),
    path("r/<str:namespace>/<str:name>/tags/<str:tag>/manage", deletion_views.manage_tag),
    path("_/<str:name>/delete-tags", deletion_views.delete_tags),
    path("r/<str:namespace>/<str:name>/delete-tags", deletion_views.delete_tags),
    path("_/<str:name>/delete", deletion_views.delete_repository),
    path("r/<str:namespace>/<str:name>/delete", deletion_views.delete_repository),
    path("deleted", deletion_views.deletions_page, name="deletions"),
    path("deleted/<int:pk>/undo", deletion_views.undo, name="undo_deletion"),
    path("why", why_views.why_index, name="why_index"),
    path("why/<slug:rule>", why_views.why, name="why"),
    path("staff/top-level", settings_views.staff_top_level, name="staff_top_level"),
]
