"""Django's own admin, to look things up. What is done to people goes through staff's pages."""

from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.http import HttpRequest

from accounts.models import AccessToken, AuditEvent, User

# The sign-in of the site, and so its limit on guessing.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    list_display = ["username", "email", "is_staff", "is_active", "date_joined", "last_login"]
    list_filter = ["is_staff", "is_active", "must_confirm_email"]
    search_fields = ["username", "email", "name"]
    exclude = ["password", "groups", "user_permissions"]


@admin.register(AccessToken)
class AccessTokenAdmin(ReadOnlyAdmin):
    list_display = ["name", "user", "kind", "scope", "created_at", "expires_at", "revoked_at"]
    list_filter = ["kind", "scope"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    exclude = ["digest"]


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ["at", "action", "actor_name", "target", "address"]
    list_filter = ["action"]
    search_fields = ["=actor_name", "=target"]
    ordering = ["-at"]
