"""What the tables hold, for staff who look for a fault. Changes go through pages, which audit."""

from django.contrib import admin

from accounts.admin import ReadOnlyAdmin
from repositories.models import Manifest, PendingWrite, RegistryEvent, Repository, Tag, TagChange


@admin.register(Repository)
class RepositoryAdmin(ReadOnlyAdmin):
    list_display = ["path", "is_private", "pull_count", "pushed_at", "missing_since"]
    list_filter = ["is_private"]
    list_select_related = ["namespace"]
    search_fields = ["name", "namespace__name"]
    ordering = ["-pk"]


@admin.register(Manifest)
class ManifestAdmin(ReadOnlyAdmin):
    list_display = ["digest", "repository", "kind", "size_bytes", "first_seen_at"]
    list_filter = ["kind"]
    list_select_related = ["repository__namespace"]
    search_fields = ["digest"]
    exclude = ["content", "config"]  # bytes
    ordering = ["-pk"]


@admin.register(Tag)
class TagAdmin(ReadOnlyAdmin):
    list_display = ["name", "repository", "manifest", "pushed_at", "pushed_by"]
    list_select_related = ["repository__namespace", "manifest"]
    search_fields = ["name"]
    ordering = ["-pk"]


@admin.register(TagChange)
class TagChangeAdmin(ReadOnlyAdmin):
    list_display = ["tag", "repository", "digest", "at", "by"]
    list_select_related = ["repository__namespace"]
    ordering = ["-pk"]


@admin.register(RegistryEvent)
class RegistryEventAdmin(ReadOnlyAdmin):
    list_display = ["id", "action", "path", "tag", "actor", "happened_at", "counts"]
    list_filter = ["action"]
    search_fields = ["path"]
    ordering = ["-received_at"]


@admin.register(PendingWrite)
class PendingWriteAdmin(ReadOnlyAdmin):
    list_display = ["method", "path", "reference", "username", "announced_at"]
    ordering = ["-announced_at"]
