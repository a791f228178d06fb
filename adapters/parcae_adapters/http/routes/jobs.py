"""Jobs: submit, list, look at."""

from __future__ import annotations

import json
from typing import Any

from parcae.context import PAYLOAD, results
from parcae.engine import Engine
from parcae.errors import Reason, Rejected
from parcae.group_engine import KEY_TTL
from parcae.ports import Query
from parcae.projection import projected
from parcae.state import Stored
from parcae.values import GroupId, JobId, Status, Version, WorkerId
from parcae_adapters.http.access import allow
from parcae_adapters.http.paging import PAGE_TOKEN, cursor, limit, number, token
from parcae_adapters.http.problems import BAD_INPUT, KEY_REUSED, NOT_FOUND, TOO_LARGE
from parcae_adapters.http.replies import (
    AdmittedReply,
    HistoryReply,
    JobDetailReply,
    JobsReply,
    TimelineReply,
    WhyReply,
)
from parcae_adapters.http.route import Call, Param, Reply, Route, Scope
from parcae_adapters.http.submission import SubmitJob, asked, constraint, dependencies, meant
from parcae_adapters.records.explained import explained, trust
from parcae_adapters.records.groups import brief_unique
from parcae_adapters.records.jobs import Record, brief, detail, happened, iso

DIAGNOSTICS = Param(
    name="diagnostics",
    kind=bool,
    description="Also tracebacks, and the shape of the arguments; needs the scope operate.",
    default=False,
)


async def submit(call: Call) -> Reply:
    """Admit a job."""
    body: SubmitJob = call.body
    request = asked(body, call.jobs)
    with meant():
        handle = await call.engine.submit(
            request,
            idempotency_key=call.idempotency_key,
            key_ttl=body.key_ttl or KEY_TTL,
            key=body.key,
            priority=body.priority,
            run_at=body.run_at,
            deadline=body.deadline,
            after=dependencies(body.after),
            unique=constraint(body.unique),
        )
    admitted = handle.admitted
    return Reply(
        status=200 if admitted.duplicate else 201,
        headers={"Location": f"/v1/jobs/{admitted.job_id}"},
        body={
            "id": admitted.job_id,
            "duplicate": admitted.duplicate,
            "deleted": admitted.deleted,
        },
    )


async def listed(call: Call) -> Reply:
    """A page of jobs."""
    query, group = call.query, call.query["group"]
    page = await call.engine.find(
        Query(
            statuses=frozenset(query["status"]),
            kinds=frozenset(query["kind"]),
            queues=frozenset(query["queue"]),
            worker=None if query["worker"] is None else WorkerId(query["worker"]),
            group=None if group is None else GroupId(f"group/{group.removeprefix('group/')}"),
            limit=query["limit"],
            cursor=cursor(query["page_token"]),
        )
    )
    found = await call.engine.freshness(page.jobs, call.engine.store.clock.now())
    pairs = zip(page.jobs, found, strict=True)
    jobs = [{**brief(one.job), "freshness": str(trusted.word)} for one, trusted in pairs]
    return Reply(body={"jobs": jobs, "next_page_token": token(page.cursor)})


async def shown(call: Call) -> Reply:
    """A job."""
    if call.query["payload"]:
        allow(call.caller, Scope.OPERATE)
    stored = await _stored(call)
    now = call.engine.store.clock.now()
    (trusted,) = await call.engine.freshness((stored,), now)
    group, unique = stored.job.spec.group, stored.job.spec.unique
    record = {
        **detail(stored, now),
        **trust(trusted),
        "group": None if group is None else {"id": group.group_id, "index": group.index},
        "unique": None if unique is None else brief_unique(unique),
    }
    if call.query["payload"]:
        record |= await _blobs(call.engine, stored)
    return Reply(body=record, headers={"ETag": f'"{stored.job.version}"'})


async def _blobs(engine: Engine, stored: Stored) -> Record:
    """Payload and results, as the JSON values that they are."""
    job = stored.job
    names = results(job)
    found = await engine.blobs(job.id, (PAYLOAD, *names.values()))
    return {
        "payload": json.loads(found.get(PAYLOAD, b"null")),
        "results": {
            phase: json.loads(found[name]) for phase, name in names.items() if name in found
        },
    }


async def _stored(call: Call) -> Stored:
    """The job that the path names.

    Raises:
        Rejected: there is none.
    """
    job_id = JobId(call.path["job_id"])
    found = await call.engine.stored(job_id)
    if found is None:
        # A host may have handed it in: then it is admitted by the next transaction of ours.
        await call.engine.show(job_id)
        found = await call.engine.stored(job_id)
    if found is None:
        raise Rejected(Reason.NOT_FOUND, f"there is no job {job_id}", command="show")
    return found


async def history(call: Call) -> Reply:
    """What has happened to a job."""
    if call.query["diagnostics"]:
        allow(call.caller, Scope.OPERATE)
    job_id, most = JobId(call.path["job_id"]), call.query["limit"]
    after = Version(number(call.query["page_token"]))
    events = await call.engine.store.history(job_id, after)
    if not events and not after:
        await _stored(call)
        events = await call.engine.store.history(job_id, after)
    page = [happened(one) for one in events[:most]]
    if not call.query["diagnostics"]:
        for one in page:
            _without_tracebacks(one["event"])
    more = str(page[-1]["version"]) if len(events) > most else ""
    return Reply(body={"history": page, "next_page_token": token(more)})


def _without_tracebacks(value: Any) -> None:
    """Take out what shows the inside of a handler: its lines may hold what nobody should see."""
    if isinstance(value, dict):
        value.pop("traceback", None)
        for inner in value.values():
            _without_tracebacks(inner)
    elif isinstance(value, list):
        for inner in value:
            _without_tracebacks(inner)


async def timeline(call: Call) -> Reply:
    """What took how long."""
    stored = await _stored(call)
    events = await call.engine.history(stored.job.id)
    facts = (fact for _, fact in projected(stored.job.id, (one.event for one in events)))
    intervals = [
        {
            "span": str(one.span),
            "began": iso(one.began),
            "ended": iso(one.ended),
            "outcome": one.outcome,
            "phase": one.phase,
            "token": one.token,
            "attempt": one.attempt,
        }
        for fact in facts
        for one in fact.intervals
    ]
    now = iso(call.engine.store.clock.now())
    return Reply(body={"id": stored.job.id, "now": now, "intervals": intervals})


async def why(call: Call) -> Reply:
    """Why it is where it is."""
    if call.query["diagnostics"]:
        allow(call.caller, Scope.OPERATE)
    await _stored(call)
    job_id = JobId(call.path["job_id"])
    found = await call.engine.why(job_id, diagnostics=call.query["diagnostics"])
    return Reply(body=explained(found))


def _many(name: str, description: str, kind: type = str) -> Param:
    return Param(name=name, kind=kind, description=description, repeated=True, at_most=50)


ROUTES = (
    Route(
        method="POST",
        path="/v1/jobs",
        handler=submit,
        scope=Scope.OPERATE,
        summary="Admit a job: once this is answered, it will end",
        description="With `Idempotency-Key`, a repeated request gives the same job. The store "
        "admits one after the other, so that of two requests at once with one key the later waits "
        "for the earlier and is answered with its job: there is no state in which a request is "
        "refused because another is in flight.",
        body=SubmitJob,
        reply=AdmittedReply,
        status=201,
        others={200: "It was admitted before, or another job stands for it."},
        problems=(BAD_INPUT, KEY_REUSED, TOO_LARGE),
        idempotent=True,
    ),
    Route(
        method="GET",
        path="/v1/jobs",
        handler=listed,
        scope=Scope.READ,
        summary="List jobs, newest first",
        reply=JobsReply,
        query=(
            _many("status", "In one of these. `quarantined`: those a person must look at.", Status),
            _many("kind", "Of one of these."),
            _many("queue", "In one of these."),
            Param(name="worker", description="Held by this worker."),
            Param(name="group", description="Members of this group."),
            limit(),
            PAGE_TOKEN,
        ),
        problems=(BAD_INPUT,),
    ),
    Route(
        method="GET",
        path="/v1/jobs/{job_id}",
        handler=shown,
        scope=Scope.READ,
        summary="Show a job",
        reply=JobDetailReply,
        query=(
            Param(
                name="payload",
                kind=bool,
                description="Also the payload and results; needs the scope operate.",
                default=False,
            ),
        ),
        problems=(NOT_FOUND,),
        etag=True,
    ),
    Route(
        method="GET",
        path="/v1/jobs/{job_id}/history",
        handler=history,
        scope=Scope.READ,
        summary="Tell what has happened to a job",
        reply=HistoryReply,
        query=(DIAGNOSTICS, limit(default=1_000), PAGE_TOKEN),
        problems=(NOT_FOUND, BAD_INPUT),
    ),
    Route(
        method="GET",
        path="/v1/jobs/{job_id}/timeline",
        handler=timeline,
        scope=Scope.READ,
        summary="Tell what took how long",
        reply=TimelineReply,
        problems=(NOT_FOUND,),
    ),
    Route(
        method="GET",
        path="/v1/jobs/{job_id}/why",
        handler=why,
        scope=Scope.READ,
        summary="Explain why a job is where it is",
        reply=WhyReply,
        query=(DIAGNOSTICS,),
        problems=(NOT_FOUND,),
    ),
)
