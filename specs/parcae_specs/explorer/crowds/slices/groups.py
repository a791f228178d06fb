"""Groups: one bad end stops the rest, what completed is undone in reverse, one end (S12, S13)."""

from __future__ import annotations

from attrs import evolve

from parcae.grouping import Member
from parcae.spec import Dependency, DependencyPolicy, Lost, OnLost, RetryMode
from parcae.values import JobId, Status
from parcae_specs.explorer.crowds.model import DATA, Crowd, Mishap, ending
from parcae_specs.explorer.crowds.model import group as group_at
from parcae_specs.explorer.crowds.model import member as member_at
from parcae_specs.explorer.crowds.slices.parts import after, member, one, together

QUARANTINE = OnLost(action=Lost.QUARANTINE)


def _ends(*statuses: Status) -> tuple[str, ...]:
    return tuple(ending(status, of_group=True) for status in statuses)


SAGA = Crowd(
    name="group saga",
    about="three members, the last after the first, two of which can be undone; it compensates",
    first=(together(member("a~"), member("b~"), member("c", waits=(0,)), compensate=True),),
    mishaps={Mishap.FAIL: 2, Mishap.CRASH: 1, Mishap.CANCEL: 1},
    cancels=frozenset({1}),
    window=1,
    reached=_ends(
        Status.COMPLETED,
        Status.FAILED,
        Status.CANCELLED,
        Status.COMPENSATED,
    ),
    left_out="limits, late calls of workers",
)

STOPPED = evolve(
    SAGA,
    name="group stop",
    about="two members, each with an undo, and a request to stop; retries and deletions by hand",
    first=(together(member("a~"), member("b?", on_lost=QUARANTINE), compensate=True),),
    mishaps={
        Mishap.STOP: 1,
        Mishap.CRASH: 1,
        Mishap.FAIL: 3,
        Mishap.RETRY: 1,
        Mishap.DELETE: 1,
    },
    modes=(RetryMode.UNDO,),
    reached=_ends(
        Status.COMPLETED,
        Status.CANCELLED,
        Status.COMPENSATED,
        Status.QUARANTINED,
    ),
)

BATCH = evolve(
    SAGA,
    name="batch",
    about="three jobs, one of which may be quarantined, and a callback once all have ended",
    first=(
        together(
            member(),
            member(on_lost=QUARANTINE),
            member(),
            callback=Member(spec=one("z"), payload=DATA),
        ),
    ),
    mishaps={Mishap.FAIL: 1, Mishap.CRASH: 1, Mishap.STOP: 1},
    cascade=1,
    reached=_ends(Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.QUARANTINED),
)


def _across(slot: int, index: int) -> Member:
    parent = Dependency(parent=member_at(slot, index), policy=DependencyPolicy.PROCEED)
    return Member(spec=one(dependencies=(parent,)), payload=DATA)


NEIGHBOURS = evolve(
    SAGA,
    name="neighbours",
    about="two groups that stop at once, of which one waits for a member of the other, and a job "
    "that waits for a group",
    first=(
        together(member("a~"), member(), compensate=True),
        together(_across(0, 0), compensate=True),
    ),
    later=(after(JobId(group_at(0)), policies=(DependencyPolicy.PROCEED,)),),
    workers=1,
    mishaps={Mishap.STOP: 2},
    reached=_ends(Status.COMPLETED, Status.CANCELLED, Status.COMPENSATED),
)

GROUPS = (SAGA, STOPPED, BATCH, NEIGHBOURS)
