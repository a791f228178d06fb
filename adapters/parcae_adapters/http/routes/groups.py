"""Groups: many jobs in one commit, with one end in common."""

# ruff: noqa: RUF009 - what is called there makes a field

from __future__ import annotations

from datetime import timedelta

from attrs import NOTHING, frozen
from attrs import evolve as replace

from parcae.errors import Reason
from parcae.graphs import After, Graph
from parcae.group_engine import KEY_TTL
from parcae.groups import Group
from parcae.spec import DependencyPolicy
from parcae.values import MAX_NOTE, GroupId
from parcae_adapters.http.fields import described, many, name, span, text
from parcae_adapters.http.paging import PAGE_TOKEN, cursor, limit, token
from parcae_adapters.http.problems import BAD_INPUT, KEY_REUSED, NOT_FOUND, REJECTED, TOO_LARGE
from parcae_adapters.http.replies import GroupAdmittedReply, GroupReply, GroupsReply
from parcae_adapters.http.route import Call, Reply, Route, Scope
from parcae_adapters.http.submission import SubmitJob, asked, dependencies, meant
from parcae_adapters.records.groups import brief_group

MOST_JOBS = 1_000
"""Of one group that comes in one request."""


@frozen(kw_only=True)
class MemberWait:
    """A job of the same group that must end first."""

    name: str = name()
    policy: DependencyPolicy = DependencyPolicy.CANCEL


@frozen(kw_only=True)
class GroupMember:
    """A job of a group."""

    job: SubmitJob
    name: str | None = name(None, description="By default its kind, and a number.")
    waits_for: tuple[MemberWait, ...] = many(most=1_000)


@frozen(kw_only=True)
class SubmitGroup:
    """Jobs that are admitted together, or not at all."""

    jobs: tuple[GroupMember, ...] = many(NOTHING, least=1, most=MOST_JOBS)
    callback: SubmitJob | None = described(
        None, description="Runs once all have ended, however they did."
    )
    compensate: bool = described(
        False, description="One bad end stops the rest, and what completed is undone."
    )
    label: str | None = name(None)
    key_ttl: timedelta | None = span(None, least=1)


@frozen(kw_only=True)
class CancelGroup:
    """Why all of it is to stop."""

    reason: str = text("", most=MAX_NOTE)


async def submit(call: Call) -> Reply:
    """Admit all jobs of a group, or none."""
    body: SubmitGroup = call.body
    graph = Graph(compensate=body.compensate, label=body.label or "")
    for index, member in enumerate(body.jobs):
        where, job = f"$.jobs[{index}].job", member.job
        request = asked(job, call.jobs, where)
        outside = dependencies(job.after)
        with meant():
            request = replace(request, spec=replace(request.spec, dependencies=outside))
            graph.add(
                request,
                name=member.name,
                after=tuple(After(name=one.name, policy=one.policy) for one in member.waits_for),
                key=job.key,
                priority=job.priority,
                run_at=job.run_at,
                deadline=job.deadline,
            )
    with meant():
        handle = await call.engine.submit_graph(
            graph,
            callback=None if body.callback is None else asked(body.callback, call.jobs),
            idempotency_key=call.idempotency_key,
            key_ttl=body.key_ttl or KEY_TTL,
        )
    return Reply(
        status=200 if handle.admitted.duplicate else 201,
        headers={"Location": f"/v1/groups/{_plain(handle.group_id)}"},
        body={
            "id": handle.group_id,
            "jobs": list(handle.jobs),
            "names": dict(handle.names),
            "duplicate": handle.admitted.duplicate,
        },
    )


def _plain(group_id: GroupId) -> str:
    return group_id.removeprefix("group/")


def _id(call: Call) -> GroupId:
    return GroupId(f"group/{_plain(GroupId(call.path['group_id']))}")


async def listed(call: Call) -> Reply:
    """A page of groups."""
    after, most = cursor(call.query["page_token"]), call.query["limit"]
    # The names of groups come before those of queues, and nothing else comes between.
    page = await call.engine.store.aggregates(after or "group/", most + 1)
    groups = [one for one in page if isinstance(one, Group)]
    more = groups[most - 1].id if len(groups) > most else ""
    told = [brief_group(one) for one in groups[:most]]
    return Reply(body={"groups": told, "next_page_token": token(more)})


async def shown(call: Call) -> Reply:
    """A group."""
    return Reply(body=brief_group(await call.engine.group(_id(call))))


async def cancel(call: Call) -> Reply:
    """Ask all of it to stop."""
    with meant():
        found = await call.engine.cancel_group(
            _id(call), by=call.caller.name, reason=call.body.reason
        )
    return Reply(body=brief_group(found))


ROUTES = (
    Route(
        method="POST",
        path="/v1/groups",
        handler=submit,
        scope=Scope.OPERATE,
        summary="Admit many jobs in one commit, or none of them",
        body=SubmitGroup,
        reply=GroupAdmittedReply,
        status=201,
        others={200: "It was admitted before."},
        problems=(
            BAD_INPUT,
            KEY_REUSED,
            TOO_LARGE,
            REJECTED[Reason.CYCLE],
            REJECTED[Reason.UNKNOWN_DEPENDENCY],
        ),
        idempotent=True,
        tag="groups",
    ),
    Route(
        method="GET",
        path="/v1/groups",
        handler=listed,
        scope=Scope.READ,
        summary="List groups, the oldest first",
        reply=GroupsReply,
        query=(limit(), PAGE_TOKEN),
        problems=(BAD_INPUT,),
        tag="groups",
    ),
    Route(
        method="GET",
        path="/v1/groups/{group_id}",
        handler=shown,
        scope=Scope.READ,
        summary="Show how far a group is",
        description="The id is given with or without its prefix `group/` (`group%2F…`).",
        reply=GroupReply,
        problems=(NOT_FOUND,),
        tag="groups",
    ),
    Route(
        method="POST",
        path="/v1/groups/{group_id}:cancel",
        handler=cancel,
        scope=Scope.OPERATE,
        summary="Ask all jobs of a group to stop",
        body=CancelGroup,
        body_required=False,
        reply=GroupReply,
        problems=(NOT_FOUND,),
        tag="groups",
    ),
)
