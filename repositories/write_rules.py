"""Whether a manifest may be written or deleted at this moment, by somebody who has the right.

Rights are for access.py. Here is what a moment decides: an immutable tag, a deletion at work,
garbage that is collected. Who is let through is announced in the same transaction, so that the
next one who asks knows of him.
"""

from django.db import OperationalError, transaction
from psycopg.errors import LockNotAvailable

from repositories import immutable, pending_writes, refusals, writers
from repositories.access import Access
from repositories.models import Deletion, GarbageCollection, PendingWrite, Repository
from repositories.names import is_digest
from repositories.refusals import Refusal

Method = PendingWrite.Method


def announce(
    access: Access, method: Method, reference: str, *, address: str | None, client: str
) -> Refusal | None:
    """Announce the write; or why it can't be done now, and nothing is announced."""
    try:
        with transaction.atomic(savepoint=False):
            writers.enter_gate(access.path)
            refusal = _refusal(access, method, reference)
            if refusal is None:
                pending_writes.announce(
                    access.principal, method, access.path, reference, address=address, client=client
                )
            return refusal
    except OperationalError as problem:
        if isinstance(problem.__cause__, LockNotAvailable):
            return refusals.being_deleted(access.path)
        raise


def _refusal(access: Access, method: Method, reference: str) -> Refusal | None:
    if GarbageCollection.objects.running().exists():
        return refusals.read_only()
    if Deletion.objects.changing(access.path).exists():
        return refusals.being_deleted(access.path)
    repository = access.repository
    if repository is None or not repository.immutable_tags:
        return None
    if method == Method.DELETE:
        return _why_not_deleted(repository, reference)
    if is_digest(reference) or not immutable.is_immutable(repository, reference):
        return None
    writers.lock_tag(access.path, reference)
    if immutable.is_written(repository, reference):
        return refusals.immutable_tag(access.path, reference, "push")
    if reference in immutable.writes_under_way(repository):
        return refusals.being_written(access.path, reference)
    return None


def _why_not_deleted(repository: Repository, reference: str) -> Refusal | None:
    for tag in immutable.tags_that_need(repository, reference):
        return refusals.immutable_tag(repository.path, tag, "delete")
    # Which digest they will get isn't known yet.
    for tag in immutable.writes_under_way(repository):
        return refusals.being_written(repository.path, tag)
    return None
