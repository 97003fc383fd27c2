"""What: repositories, their tags and manifests, and what the registry told us about them."""

from repositories.models.collaborators import Collaborator
from repositories.models.deletions import (
    UNDO_WITHIN,
    Deletion,
    DeletionQuerySet,
    GarbageCollection,
    HeldManifest,
)
from repositories.models.events import DailyPulls, PendingWrite, RegistryEvent
from repositories.models.manifests import Manifest, ManifestPart, Tag, TagChange
from repositories.models.repositories import (
    MAX_DESCRIPTION_LENGTH,
    MAX_README_LENGTH,
    Repository,
    RepositoryQuerySet,
    repository_url,
)

__all__ = [
    "MAX_DESCRIPTION_LENGTH",
    "MAX_README_LENGTH",
    "UNDO_WITHIN",
    "Collaborator",
    "DailyPulls",
    "Deletion",
    "DeletionQuerySet",
    "GarbageCollection",
    "HeldManifest",
    "Manifest",
    "ManifestPart",
    "PendingWrite",
    "RegistryEvent",
    "Repository",
    "RepositoryQuerySet",
    "Tag",
    "TagChange",
    "repository_url",
]
