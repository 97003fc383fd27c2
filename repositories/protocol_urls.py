"""What clients and the registry call. No redirects here: a redirected POST would become a GET."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
