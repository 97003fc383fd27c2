"""What clients and the registry call. No redirects here: a redirected POST would become a GET."""

from django.urls import path

from repositories import gate, hooks, token_endpoint, v1, v2

urlpatterns = [
    path("token", token_endpoint.token),
    path("gate", gate.gate),
    path("hooks/registry", hooks.registry),
    path("v2/_catalog", v2.catalog),
    path("v2/<path:path>/tags/list", v2.tags_list),
    path("v2/<path:path>/referrers/<str:digest>", v2.referrers),
    path("v1/_ping", v1.ping),
    path("v1/search", v1.search_page),
    path("v1/search/", v1.search_page),
]
