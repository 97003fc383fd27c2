"""The whole URL space. Most of ``/v2/`` is the registry's: the front door sends it there."""

from django.contrib import admin
from django.urls import include, path

from portal import certificate, help, views

urlpatterns = [
    # What clients ask at each pull is looked for first.
    path("", include("repositories.protocol_urls")),
    path("", views.home, name="home"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("robots.txt", views.robots),
    path("favicon.ico", views.favicon),
    path("help/", help.contents, name="help"),
    path("help/certificate", certificate.how_to_trust, name="certificate"),
    path("ca.crt", certificate.root, name="root-certificate"),
    path("help/<slug:topic>", help.topic, name="help-topic"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("account/", include("allauth.urls")),
    path("staff", views.staff, name="staff"),
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    path("", include("repositories.urls")),
    path("api/", include("portal.api_urls")),
]

handler400 = "portal.views.bad_request"
handler403 = "portal.views.forbidden"
handler404 = "portal.views.not_found"
handler500 = "portal.views.server_error"
