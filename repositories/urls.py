"""Pages. The addresses are the ones that Docker Hub taught everyone."""

from django.urls import path

from portal.views import home as _todo

app_name = "repositories"
urlpatterns = [
    path("search", _todo, name="search"),
    path("repositories/new", _todo, name="new"),
    path("u/<str:name>", _todo, name="namespace"),
    path("_/<str:name>", _todo, name="top_level_repository"),
    path("_/<str:name>/tags", _todo, name="top_level_tags"),
    path("_/<str:name>/settings", _todo, name="top_level_settings"),
    path("r/<str:namespace>/<str:name>", _todo, name="repository"),
    path("r/<str:namespace>/<str:name>/tags", _todo, name="tags"),
    path("r/<str:namespace>/<str:name>/settings", _todo, name="settings"),
]
