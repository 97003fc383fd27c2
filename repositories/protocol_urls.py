"""What clients and the registry call. No redirects here: a redirected POST would become a GET."""

from django.urls import path

from repositories import token_endpoint

urlpatterns = [
    path("token", token_endpoint.token),
]
