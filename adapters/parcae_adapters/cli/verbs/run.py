"""``parcae run``."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta

import click
from attrs import evolve as replace

from parcae.answers import Granted
from parcae.errors import LeaseLost, Rejected
from parcae.handlers import error_of, result_blob
from parcae.host_engine import DAY, ONCE, PHASE, External, HostEngine
from parcae.ports import Store
from parcae.state import Ended
from parcae.values import Error, JobId, Status, Token
from parcae_adapters.bridge import this_process
from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.commanded import Command, Stopped
from parcae_adapters.cli.options import Duration, option, verb
from parcae_adapters.cli.output import clean, note
from parcae_adapters.cli.session import Session

NEVER = Token(0)
"""It has not been started."""


@verb("run", without=("json", "jsonl"))
@click.argument("kind")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@option("--queue", default="external", help="The queue it counts in: pause it, or bound it.")
@option("--key", default="", help="The lane within the queue: a tenant, a host.")
@option("--name", metavar="NAME", help="With the same name it is the same job, and runs once.")
@option("--lease", type=Duration(), default="30s", metavar="DURATION", help="Lost after this.")
@option("--timeout", type=Duration(), default="24h", metavar="DURATION", help="The hard timeout.")
async def command(
    session: Session,
    kind: str,
    command: tuple[str, ...],
    name: str | None,
    queue: str,
    key: str,
    lease: timedelta,
    timeout: timedelta,  # noqa: ASYNC109 - on the store's clock
) -> Exit:
    """Run COMMAND, and keep the record of it as a job of KIND: for cron, and for scripts.

        parcae run backup --queue nightly -- pg_dump shop --file shop.sql

    Its start, its heartbeats and its end are reported: well by exit code 0, badly by any other. If
    this very process is killed, the job is lost, and the reconciler says so. Where the queue is
    paused or full, COMMAND is not run, and the job has failed for that (exit code 5).
    """
    try:
        timing = replace(DAY, lease=lease, renewal=lease / 3, attempt=timeout)
        jobs = External(queue=queue, key=key, timing=timing, retry=ONCE)
        spec = jobs.spec(kind)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    async with session.engine(create=True) as engine:
        # Its arguments are not kept: they may hold a secret.
        host, external = HostEngine(engine.store), name or uuid.uuid4().hex
        admitted = await host.admit_external(external, spec, b"null", jobs.ttl)
        granted = await _started(host, admitted.job_id, fresh=not admitted.duplicate)
        note(f"job {admitted.job_id}")
        return await _run(host, granted, command)


async def _started(host: HostEngine, job_id: JobId, *, fresh: bool) -> Granted:
    try:
        granted = await host.claim_named(job_id, this_process(), request=uuid.uuid4().hex)
    except Rejected as refusal:
        if fresh:  # Nobody else knows of it: it will never be run.
            await host.abandon(job_id, NEVER, error_of(refusal))
        raise
    await host.start_phase(job_id, granted.lease.token, PHASE)
    return granted


async def _run(host: HostEngine, granted: Granted, words: Sequence[str]) -> Exit:
    job_id, token = granted.job.id, granted.lease.token
    ended = await Command(host, granted, words).run()
    try:
        if ended.stopped is Stopped.CANCELLED:
            await host.confirm_cancel(job_id, token)
        elif ended.stopped is Stopped.LOST:
            pass  # We have stopped it ourselves: that says nothing of how it would have ended.
        elif ended.error is None:
            await host.complete_phase(job_id, token, PHASE, result_blob(PHASE, None))
        else:
            await host.fail_external(job_id, token, ended.error)
    except LeaseLost as lost:
        note(f"Its end came too late: {clean(str(lost))}")
    await host.reconcile()
    return await _told(host.store, job_id, ended.error)


async def _told(store: Store, job_id: JobId, error: Error | None) -> Exit:
    stored = await store.fetch(job_id)
    state = None if stored is None else stored.job.state
    if not isinstance(state, Ended):
        note("It was lost: something else goes on with its job.")
        return Exit.JOB_LOST
    if state.status is Status.COMPLETED:
        return Exit.OK
    said = "" if error is None else f": {clean(error.message)}"
    note(f"{state.status}, {state.cause}{said}")
    return Exit.JOB_LOST if state.reconciled else Exit.JOB_FAILED
