"""One job's story, told in commands: given these, when that, then those events.

::

    given(submit("pack~"), claim(), start("pack")).when(at(5), done("pack")).then(
        PhaseCompleted, Completed
    )

A phase is written as its name; ``pack~`` has an undo, ``pack?`` one that can also handle a phase
of which nobody knows whether it happened. Time stands still but for ``at(seconds)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve as replace
from attrs import fields, frozen

from parcae import commands as c
from parcae import events as e
from parcae.decide import Decision, decide
from parcae.errors import ParcaeError, Reason, Rejected, Superseded
from parcae.evolve import evolve
from parcae.shape import Moves, Shape
from parcae.spec import Carried, PhaseSpec, Retry, Spec, UndoSpec
from parcae.state import Job, Stored
from parcae.values import Blob, Error, Instant, JobId, Place, Status, Token, WorkerId, blob

START = datetime(2026, 1, 1, tzinfo=UTC)
JOB = JobId("019b76da-a800-7000-8000-000000000001")
PAYLOAD = blob("payload", b"{}")
PATIENT = Retry(jitter=0)
"""Three attempts, waiting one second and two, exactly."""

Step = c.Command | Instant


def at(seconds: float) -> Instant:
    """The instant so many seconds after the story's beginning."""
    return START + timedelta(seconds=seconds)


@frozen(kw_only=True)
class Edge:
    """One command put to one job: the job before it, and the decision or the refusal."""

    job_id: JobId
    before: Stored | None
    command: c.Command
    now: Instant
    place: Place
    decision: Decision | None
    refusal: ParcaeError | None

    @property
    def events(self) -> tuple[e.Event, ...]:
        """What happened."""
        return self.decision.events if self.decision else ()

    @property
    def after(self) -> Stored | None:
        """The job after it; after a refusal, the job before it."""
        if self.decision is None:
            return self.before
        if self.decision.job is None:
            return None
        return Stored(job=self.decision.job, liveness=self.decision.liveness)


def put(
    stored: Stored | None, command: c.Command, now: Instant, place: Place, job_id: JobId = JOB
) -> Edge:
    """What comes of ``command``: a decision or a refusal; anything else is the kernel's fault."""
    decision: Decision | None = None
    refusal: ParcaeError | None = None
    try:
        decision = decide(job_id, stored, command, now, place)
    except (Rejected, Superseded) as error:
        refusal = error
    return Edge(
        job_id=job_id,
        before=stored,
        command=command,
        now=now,
        place=place,
        decision=decision,
        refusal=refusal,
    )


class Story:
    """A job, and all that was put to it."""

    def __init__(self, job_id: JobId = JOB) -> None:
        self.job_id = job_id
        self.now = START
        self.stored: Stored | None = None
        self.history: list[e.Event] = []
        self.edges: list[Edge] = []

    @property
    def job(self) -> Job:
        """The job as it is now."""
        assert self.stored is not None
        return self.stored.job

    @property
    def last(self) -> Edge:
        """The last command and what came of it."""
        return self.edges[-1]

    def when(self, *steps: Step) -> Story:
        """Put commands to the job, each at the present instant; an instant sets the clock."""
        for step in steps:
            if isinstance(step, datetime):
                self.now = step
                continue
            place = Place(len(self.history) + 1)
            edge = put(self.stored, step, self.now, place, self.job_id)
            self.edges.append(edge)
            self.history.extend(edge.events)
            self.stored = edge.after
        return self

    def then(self, *expected: type[e.Event] | e.Event | Like) -> Story:
        """The last command was taken, and exactly these events happened."""
        assert self.last.refusal is None, f"refused: {self.last.refusal}"
        found = self.last.events
        assert len(found) == len(expected), f"expected {expected}, got {found}"
        for event, wanted in zip(found, expected, strict=True):
            if isinstance(wanted, type):
                assert type(event) is wanted, f"expected {wanted.__name__}, got {event}"
            else:
                assert event == wanted, f"expected {wanted}, got {event}"
        return self

    def refused(self, reason: Reason, kind: type[ParcaeError] = Rejected) -> Story:
        """The last command was refused for this reason."""
        refusal = self.last.refusal
        assert isinstance(refusal, Rejected | Superseded), f"not refused: {self.last.events}"
        assert refusal.reason is reason, f"expected {reason!r}, got {refusal.reason!r}: {refusal}"
        assert type(refusal) is kind, f"expected {kind.__name__}, got {refusal!r}"
        assert self.last.after is self.last.before
        return self


class Like:
    """An event of which only some fields matter."""

    def __init__(self, kind: type[e.Event], /, **wanted: Any) -> None:
        unknown = wanted.keys() - {attribute.name for attribute in fields(kind)}
        assert not unknown, f"{kind.__name__} has no {unknown}"
        self.kind = kind
        self.wanted = wanted

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        same = (getattr(other, name, None) == value for name, value in self.wanted.items())
        return type(other) is self.kind and all(same)

    def __repr__(self) -> str:
        return f"{self.kind.__name__}(…{self.wanted})"


def like(kind: type[e.Event], /, **wanted: Any) -> Like:
    """An event of this type, with at least these fields."""
    return Like(kind, **wanted)


def given(*steps: Step) -> Story:
    """A job to which all this was put, nothing of it refused."""
    story = Story()
    for step in steps:
        story.when(step)
        if story.edges and story.last.refusal is not None:
            raise AssertionError(f"given {step}, which was refused") from story.last.refusal
    return story


def phases(*names: str) -> tuple[PhaseSpec, ...]:
    """Phases by name: ``pack``, ``pack~`` (has an undo), ``pack?`` (one for unknowns too)."""
    return tuple(_phase(name) for name in names)


def _phase(name: str) -> PhaseSpec:
    retry = Retry(max_attempts=2, jitter=0, max_releases=1)
    if name.endswith("~"):
        return PhaseSpec(name=name[:-1], undo=UndoSpec(retry=retry))
    if name.endswith("?"):
        return PhaseSpec(name=name[:-1], undo=UndoSpec(retry=retry, unknown=True))
    return PhaseSpec(name=name)


def spec(*names: str, **changes: Any) -> Spec:
    """What a job of these phases is admitted with."""
    plain = Spec(kind="demo", phases=phases(*(names or ("work",))), payload=PAYLOAD, retry=PATIENT)
    return replace(plain, **changes)


def submit(
    *names: str,
    carried: tuple[Carried, ...] = (),
    not_before: Instant | None = None,
    **changes: Any,
) -> c.Submit:
    """Admit a job of these phases."""
    return c.Submit(spec=spec(*names, **changes), carried=carried, not_before=not_before)


def claim(worker: str = "ann", request: str = "r") -> c.Claim:
    """Take the job."""
    return c.Claim(worker=WorkerId(worker), request=request)


def renew(token: int = 1, progress: c.Progress | None = None) -> c.Renew:
    """Keep the lease."""
    return c.Renew(token=Token(token), progress=progress)


def start(phase: str, token: int = 1) -> c.StartPhase:
    """Begin a phase."""
    return c.StartPhase(token=Token(token), phase=phase)


def done(phase: str, token: int = 1, result: bytes | None = None) -> c.CompletePhase:
    """A phase is done."""
    found = None if result is None else blob(f"result/{phase}", result)
    return c.CompletePhase(token=Token(token), phase=phase, result=found)


def error(kind: str = "ValueError", *, permanent: bool = False) -> Error:
    """What a handler raised."""
    mro = (f"builtins.{kind}", "builtins.Exception")
    return Error(type=f"builtins.{kind}", message="no", mro=mro, permanent=permanent)


def fail(
    token: int = 1, kind: str = "ValueError", *, permanent: bool = False, final: bool = False
) -> c.Fail:
    """The handler raised; ``final``: the host's own queue has no retry left for it."""
    return c.Fail(token=Token(token), error=error(kind, permanent=permanent), final=final)


def release(token: int = 1, lacks: str = "") -> c.Release:
    """The worker shuts down, or cannot run the job."""
    return c.Release(token=Token(token), lacks=lacks)


def confirm(token: int = 1) -> c.ConfirmCancel:
    """The handler has stopped as it was asked to."""
    return c.ConfirmCancel(token=Token(token))


def undo(phase: str, token: int = 2) -> c.StartUndo:
    """Begin an undo."""
    return c.StartUndo(token=Token(token), phase=phase)


def undone(phase: str, token: int = 2) -> c.CompleteUndo:
    """A phase is undone."""
    return c.CompleteUndo(token=Token(token), phase=phase)


def undo_failed(phase: str, token: int = 2, *, permanent: bool = False) -> c.FailUndo:
    """The undo raised."""
    return c.FailUndo(token=Token(token), phase=phase, error=error(permanent=permanent))


def cancel(by: str = "", reason: str = "", *, force: bool = False) -> c.Cancel:
    """Ask the job to stop."""
    return c.Cancel(by=by, reason=reason, force=force)


def quarantine(by: str = "", reason: str = "") -> c.Quarantine:
    """Its definition has changed: a person is to look."""
    return c.Quarantine(by=by, reason=reason)


def shape(version: str, *names: str) -> Shape:
    """A shape; ``~`` and ``?`` as in :func:`phases`."""
    return Shape(version=version, phases=phases(*names))


def migrate(was: Shape, now: Shape, moves: Moves | None = None) -> c.Migrate:
    """Its definition has changed: it takes the shape of today."""
    return c.Migrate(was=was, now=now, moves=moves or Moves())


def abandon(token: int = 0) -> c.Abandon:
    """The host's own queue has given the job up."""
    return c.Abandon(token=Token(token), error=error("TimeoutError"))


def settle(parent: str, outcome: Status = Status.COMPLETED) -> c.SettleDependency:
    """A job that this one depends on has ended."""
    return c.SettleDependency(parent=JobId(parent), outcome=outcome)


def note(text: str = "seen", by: str = "") -> c.Annotate:
    """Add a note."""
    return c.Annotate(by=by, note=text)


reconcile = c.Reconcile
delete = c.Delete


def arrows(story: Story) -> Iterator[tuple[Status | None, type[e.Event]]]:
    """The arrows of the lifecycle that a story took."""
    for edge in story.edges:
        job = edge.before.job if edge.before else None
        for event in edge.events:
            yield (job.status if job else None), type(event)
            job = evolve(edge.job_id, job, event)


def result_of(phase: str, data: bytes) -> Blob:
    """The reference to a phase's result."""
    return blob(f"result/{phase}", data)
