"""Pages beside allauth's, which lie under /account/ too."""

from django.urls import path, register_converter
from django.views.generic import RedirectView

from accounts import staff_views, v1_users, views


class UsernameConverter:
    """What a user name may look like: anything else in an address is not there."""

    regex = "[a-z0-9_-]+"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(UsernameConverter, "username")

app_name = "accounts"
urlpatterns = [
    path("account/", views.account, name="account"),
    path("account", RedirectView.as_view(pattern_name="accounts:account")),
    path("account/sessions/<int:pk>/end", views.end_session, name="end_session"),
    path("account/deletion/undo", views.undo_deletion, name="undo_deletion"),
    path("account/security", views.security_events, name="security"),
    path("account/tokens", views.tokens, name="tokens"),
    path("account/tokens/new", views.new_token, name="new_token"),
    path("account/tokens/created", views.created_token, name="created_token"),
    path("account/tokens/<int:pk>/revoke", views.revoke_token, name="revoke_token"),
    path("account/first-staff/<str:secret>", views.first_staff_account, name="first_staff"),
    path("staff/accounts", staff_views.accounts, name="staff_accounts"),
    path("staff/accounts/<username:name>", staff_views.account, name="staff_account"),
    path(
        "staff/accounts/<username:name>/reset-link", staff_views.make_reset_link, name="reset_link"
    ),
    path("staff/accounts/<username:name>/deactivate", staff_views.deactivate, name="deactivate"),
    path("staff/accounts/<username:name>/activate", staff_views.activate, name="activate"),
    path("staff/accounts/<username:name>/make-staff", staff_views.make_staff, name="make_staff"),
    path(
        "staff/accounts/<username:name>/remove-staff", staff_views.remove_staff, name="remove_staff"
    ),
    path("staff/accounts/<username:name>/confirm", staff_views.confirm_email, name="confirm_email"),
    # For docker of 2013 to 2017. No redirect between the two forms: a POST would become a GET.
    path("v1/users", v1_users.users),
    path("v1/users/", v1_users.users),
    path("v1/users/<str:name>", v1_users.user),
    path("v1/users/<str:name>/", v1_users.user),
]
