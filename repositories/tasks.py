"""What happens later, on a worker. Each is safe to run twice, and two at once."""

from datetime import timedelta
from functools import cache

from django.utils import timezone
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Status

from repositories import (
    account_deletion,
    deletions,
    garbage,
    manifests,
    pending_writes,
    pulls,
    sync,
)
from repositories.jobs import defer_once
from repositories.registry import RegistryUnavailable

# 3, 9, 27, … seconds, at last two hours. The nightly sync tries again what is unread then.
PATIENCE = RetryStrategy(max_attempts=8, exponential_wait=3)
# Failed jobs stay for who wants to know why.
FAILED_JOBS_KEPT = timedelta(days=30)


@app.task(name="repositories.read_manifest", retry=PATIENCE)
def read_manifest(*, manifest_id: int) -> None:
    manifests.read(manifest_id)


@app.periodic(cron="* * * * * */5")
@app.task(name="repositories.look_up_pending_writes", queueing_lock="look_up_pending_writes")
def look_up_pending_writes(timestamp: int) -> None:
    """Every 5 s, from the rows: nothing is lost with the job that a dying worker had."""
    _sync_after_start()
    try:
        pending_writes.look_up_due()
    except RegistryUnavailable as error:
        pending_writes.logger.warning("pending writes wait for the registry: %s", error)


@app.periodic(cron="* * * * * */20")
@app.task(name="repositories.count_pulls", queueing_lock="count_pulls")
def count_pulls(timestamp: int) -> None:
    pulls.count_pulls()


@app.periodic(cron="23 * * * *")
@app.task(name="repositories.purge_events", queueing_lock="purge_events")
def purge_events(timestamp: int) -> None:
    pulls.purge_events()


@app.periodic(cron="* * * * * */5")
@app.task(name=deletions.TASK, queueing_lock=deletions.TASK)
def carry_out_deletions(timestamp: int = 0) -> None:
    """Called at once by who deletes; every 5 s for what had to wait."""
    try:
        deletions.carry_out()
    except RegistryUnavailable as error:
        deletions.logger.warning("deletions wait for the registry: %s", error)


@app.periodic(cron="47 3 * * *")
@app.task(
    name="repositories.purge_deletions",
    queueing_lock="purge_deletions",
    retry=PATIENCE,
)
def purge_deletions(timestamp: int) -> None:
    deletions.purge()


@app.periodic(cron="37 * * * *")
@app.task(name="repositories.finish_account_deletions", queueing_lock="finish_account_deletions")
def finish_account_deletions(timestamp: int) -> None:
    account_deletion.finish_due()


@app.periodic(cron="* * * * * */15")
@app.task(name="repositories.end_dead_collections", queueing_lock="end_dead_collections")
def end_dead_collections(timestamp: int) -> None:
    garbage.end_dead_collections()


@app.periodic(cron="17 3 * * *")
@app.task(name="repositories.sync_nightly", queueing_lock="sync_nightly")
def sync_nightly(timestamp: int) -> None:
    defer_once("repositories.sync_registry")


@app.task(name="repositories.sync_registry", lock="sync_registry", retry=PATIENCE)
def sync_registry() -> None:
    sync.sync_registry()


@cache  # once in each worker process
def _sync_after_start() -> None:
    """What the registry said while no worker, or nothing at all, was up may be lost."""
    defer_once("repositories.sync_registry")


@app.periodic(cron="* * * * * */15")
@app.task(
    name="repositories.retry_stalled_jobs", queueing_lock="retry_stalled_jobs", pass_context=True
)
async def retry_stalled_jobs(context: JobContext, timestamp: int) -> None:
    """Jobs of a worker that died stay in ``doing``: its heart has not beaten for 30 s then."""
    jobs = context.app.job_manager
    for job in await jobs.get_stalled_jobs():
        try:
            await jobs.retry_job(job, retry_at=timezone.now())
        except UniqueViolation:
            # Another of the same task waits already. While this one is there, it may for ever.
            await jobs.finish_job(job, Status.FAILED, delete_job=True)


@app.periodic(cron="41 4 * * *")
@app.task(name="repositories.purge_jobs", queueing_lock="purge_jobs", pass_context=True)
async def purge_jobs(context: JobContext, timestamp: int) -> None:
    await context.app.job_manager.delete_old_jobs(
        nb_hours=int(FAILED_JOBS_KEPT.total_seconds() // 3600),
        include_failed=True,
        include_cancelled=True,
        include_aborted=True,
    )
