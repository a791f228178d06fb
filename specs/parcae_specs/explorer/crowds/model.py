"""What is explored: many jobs, one queue, groups, and how much may go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import Factory, frozen

from parcae.grouping import Plan
from parcae.groups import group_id, member_id
from parcae.queues import QueueCommand
from parcae.spec import RetryMode, Spec
from parcae.values import GroupId, JobId, Status, job_id
from parcae_specs.explorer.cell import NOW
from parcae_specs.explorer.crowds.store import SEED
from parcae_specs.explorer.model import Fair
from parcae_specs.explorer.slices.parts import PAYLOAD

DATA = b"1"
"""The bytes of every payload."""
assert PAYLOAD.size == len(DATA)


class Mishap(StrEnum):
    """What a model may grant a number of."""

    CRASH = "a worker dies"
    SLOW = "a worker outlasts its lease"
    FAIL = "a handler raises"
    RELEASE = "a worker shuts down"
    CANCEL = "a job is cancelled"
    STOP = "a group is cancelled"
    SET = "the queue is set"
    RETRY = "a job is retried by hand"
    DELETE = "a job is deleted"


@frozen(kw_only=True)
class Eventually:
    """What every world comes to, as long as ``fair`` go on.

    Attributes:
        guarantee: its id.
        name: what it says.
        fair: the weakest assumptions under which it holds.
    """

    guarantee: str
    name: str
    fair: frozenset[Fair] = frozenset(Fair)


@frozen(kw_only=True)
class Crowd:
    """A slice.

    Attributes:
        name: of the slice.
        about: what it explores, in a sentence.
        first: jobs and groups that are admitted in the first world, one by one.
        later: those that are admitted at any time, each once, in any order.
        setup: what is set for the queue before anything else.
        settings: what may be set later, again and again.
        workers: how many; they serve all kinds, and are interchangeable where ``symmetric``.
        grab: for how many jobs a claim asks; a worker with that many asks for no more.
        mishaps: how much may go wrong, and how often the host may intervene.
        cancels: which slots may be cancelled; ``None``: all.
        modes: the manual retries that may be tried.
        cascade: how many dependents a view holds at the most (``parcae.ports.CASCADE``).
        batch: how many overdue jobs the reconciler looks at in one commit.
        window: how many members of a group one step looks at.
        symmetric: workers are interchangeable: for safety only.
        reached: endings that must be reached, of jobs and, with a ``group/`` before, of groups.
        wanted: what every world has to come to.
        left_out: what it does not explore.
    """

    name: str
    about: str
    first: tuple[Spec | Plan, ...]
    later: tuple[Spec | Plan, ...] = ()
    setup: tuple[QueueCommand, ...] = ()
    settings: tuple[QueueCommand, ...] = ()
    workers: int = 2
    grab: int = 1
    mishaps: Mapping[Mishap, int] = Factory(dict)
    cancels: frozenset[int] | None = None
    modes: tuple[RetryMode, ...] = ()
    cascade: int = 100
    batch: int = 100
    window: int = 100
    symmetric: bool = True
    reached: tuple[str, ...] = ()
    wanted: Eventually | None = None
    left_out: str = ""


def name(slot: int) -> JobId:
    """The name of the job that is admitted into this slot of the first world."""
    return job_id(NOW, SEED + slot)


def member(slot: int, index: int) -> JobId:
    """The name of the member at ``index`` of the group whose first member is in ``slot``."""
    return member_id(NOW, SEED + slot, index)


def group(slot: int) -> GroupId:
    """The name of the group whose first member is in ``slot``."""
    return group_id(NOW, SEED + slot)


def ending(status: Status, *, of_group: bool = False) -> str:
    """How an ending is named in ``Crowd.reached``."""
    return f"group/{status}" if of_group else str(status)
