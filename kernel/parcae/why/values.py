"""What an explanation is made from, and what it is."""

from __future__ import annotations

from attrs import field, frozen

from parcae.events import Event
from parcae.freshness import Assessment
from parcae.groups import Group
from parcae.queues import Queue
from parcae.spec import DependencyPolicy
from parcae.state import Stored
from parcae.survey import Standing
from parcae.values import Error, Instant, JobId, Status, WorkerId
from parcae.workers import Presence


@frozen(kw_only=True)
class Awaited:
    """A job or a group that is waited for.

    Attributes:
        name: of it.
        policy: what follows if it does not complete.
        stored: the job, where it is one and is there.
        group: the group, where it is one.
        awaits: the first that it waits for itself, as far as somebody has looked.
    """

    name: JobId
    policy: DependencyPolicy = DependencyPolicy.CANCEL
    stored: Stored | None = None
    group: Group | None = None
    awaits: Awaited | None = None


@frozen(kw_only=True)
class Surroundings:
    """What an explanation needs beside the job. Whatever is left out is not spoken of.

    Attributes:
        queue: what is set for its queue.
        standing: where it stands in line, and who holds the slots.
        awaited: what it waits for, as far as somebody has looked.
        group: to which it belongs.
        workers: the living workers that would take it; ``None``: nobody has counted them.
        present: all workers that are there and take jobs, of whatever kind.
        history: everything that happened to it, in order.
        taken_up_by: the job that carries on, or undoes, what it did.
        on_hold: it is under a legal hold, which keeps retention from it.
        payload: its arguments; looked at for diagnostics only.
    """

    queue: Queue | None = None
    standing: Standing | None = None
    awaited: tuple[Awaited, ...] = ()
    group: Group | None = None
    workers: frozenset[WorkerId] | None = None
    present: tuple[Presence, ...] = ()
    history: tuple[Event, ...] = ()
    taken_up_by: JobId | None = None
    on_hold: bool = False
    payload: bytes | None = field(default=None, repr=False)


@frozen(kw_only=True)
class Remedy:
    """A command that helps, and what it does."""

    command: str
    does: str


@frozen(kw_only=True)
class Raised:
    """An error on record: when, in which phase (of its undo), by which attempt or try."""

    at: Instant
    phase: str | None
    undo: bool
    number: int
    error: Error


@frozen(kw_only=True)
class Diagnostics:
    """For whoever mends the code, not for everybody: it may hold what handlers have seen.

    Attributes:
        errors: every error on record, the last one last.
        payload: the shape of the arguments, without any of their values.
    """

    errors: tuple[Raised, ...]
    payload: str | None


@frozen(kw_only=True)
class Explanation:
    """What is the matter with a job: sentences without any payload and any text of an error.

    Attributes:
        job_id: the job.
        status: where it stands.
        since: since when it has.
        freshness: how far this can be trusted.
        state: where it stands, since when and why.
        waits: what keeps it from going on.
        past: what has gone wrong, been asked for or been given up before, the last of it last.
        doubts: what may have happened, and nobody can know.
        next: what will happen next, and when.
        remedies: safe next steps, the best first.
        diagnostics: where asked for.
    """

    job_id: JobId
    status: Status
    since: Instant
    freshness: Assessment
    state: str
    waits: tuple[str, ...]
    past: tuple[str, ...]
    doubts: tuple[str, ...]
    next: str
    remedies: tuple[Remedy, ...]
    diagnostics: Diagnostics | None = None
