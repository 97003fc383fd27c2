"""A repository with as many tags as anybody will ever have, to measure its pages."""

from django.db import connection, transaction

from accounts.models import Namespace
from repositories.models import Repository

NAME = "many-tags"
TAGS = 100_000
TAGS_OF_A_DIGEST = 2


@transaction.atomic
def fill(username: str, tags: int = TAGS) -> None:
    """Rows alone, made by the database itself: the registry has no such images."""
    repository = Repository.objects.create(
        namespace=Namespace.objects.get(name=username), name=NAME, is_demo=True
    )
    values: dict[str, int | str] = {
        "id": repository.pk,
        "tags": tags,
        "each": TAGS_OF_A_DIGEST,
        "by": username,
    }
    with connection.cursor() as cursor:
        for statement in STATEMENTS:
            cursor.execute(statement, values)


STATEMENTS = [
    """
    INSERT INTO repositories_manifest (repository_id, digest, kind, media_type, artifact_type,
        subject_digest, annotations, content, config, facts, size_bytes, os, architecture, variant,
        problem)
    SELECT %(id)s, 'sha256:' || encode(sha256(number::text::bytea), 'hex'), 'image', '', '', '',
        '{}', '', '', '{}', 29000000, 'linux', 'amd64', '', ''
    FROM generate_series(0, %(tags)s / %(each)s - 1) number
    """,
    """
    INSERT INTO repositories_tag (repository_id, name, manifest_id, pushed_at, pushed_by,
        pull_count, successor)
    SELECT %(id)s, 'v1.' || number, manifest.id, now() - number * interval '1 minute', %(by)s,
        number %% 1000, ''
    FROM generate_series(0, %(tags)s - 1) number JOIN repositories_manifest manifest
        ON manifest.repository_id = %(id)s AND manifest.digest =
            'sha256:' || encode(sha256((number / %(each)s)::text::bytea), 'hex')
    """,
    """
    INSERT INTO repositories_tagchange (repository_id, tag, digest, at, by)
    SELECT %(id)s, tag.name, manifest.digest, tag.pushed_at, tag.pushed_by
    FROM repositories_tag tag JOIN repositories_manifest manifest ON manifest.id = tag.manifest_id
    WHERE tag.repository_id = %(id)s
    """,
    """
    UPDATE repositories_repository SET pushed_at = now() WHERE id = %(id)s
    """,
    "ANALYZE repositories_manifest, repositories_tag, repositories_tagchange",
]
