"""What clients and the registry call. No redirects here: a redirected POST would become a GET."""

from django.urls import path

from repositories import token_endpoint, v1

urlpatterns = [
    path("token", token_endpoint.token),
    path("v1/_ping", v1.ping),
    path("v1/search", v1.search_page),
    path("v1/search/", v1.search_page),
]
