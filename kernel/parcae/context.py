"""What a handler is told about the work at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import field, frozen

from parcae.commands import Progress
from parcae.payloads import load
from parcae.state import Job
from parcae.values import JobId, Token

PAYLOAD = "payload"
"""The name of the blob that holds a job's arguments."""


def result_name(phase: str) -> str:
    """The name of the blob that holds a phase's result."""
    return f"result/{phase}"


def results(job: Job) -> Mapping[str, str]:
    """Which blob holds the result of which phase. One that was renamed since keeps its blob."""
    pairs = zip(job.spec.phases, job.phases, strict=True)
    return {spec.name: one.result.name for spec, one in pairs if one.result is not None}


def idempotency_key(job: Job, phase: str, *, undo: bool = False) -> str:
    """The key under which a phase of ``job``, or its undo, is done: see :class:`Context`."""
    origin = job.spec.origin
    root = job.id if origin is None else origin.root
    spec = job.phase_spec(phase)
    name = phase if spec is None else spec.goes_by
    return f"{root}/{name}" + "/undo" * undo


class Step(Protocol):
    """What a result is looked up by: the phase that gave it."""

    name: str
    returns: Any


class GiveUp(Exception):
    """Raised by a handler to say that no retry will help."""


class Stopped(Exception):
    """Raised by :meth:`Context.check_cancelled`: the handler stops because it was asked to."""


@frozen(kw_only=True)
class Context:
    """What a handler is told about the work at hand.

    Attributes:
        job_id: the job.
        kind: the name of its definition.
        phase: the phase that is run or undone.
        attempt: from 1.
        token: the fencing token of the lease: greater than that of any earlier holder.
        idempotency_key: the same whenever this phase of this job is run again, after a crash or in
            a resumed job: hand it to whatever the handler calls. Its undo has another one.
        undo: it is the undo of the phase that is run.
        unknown: with ``undo``: nobody knows whether the phase happened; it gives no result.
        overlap: with ``undo``: it was forced, the phase's handler may still be alive.
    """

    job_id: JobId
    kind: str
    phase: str
    attempt: int
    token: Token
    idempotency_key: str
    undo: bool = False
    unknown: bool = False
    overlap: bool = False
    _parents: Mapping[str, bytes] = field(factory=dict, repr=False, eq=False)
    _results: Mapping[str, bytes] = field(factory=dict, repr=False, eq=False)
    _stopping: Callable[[], bool] = field(default=lambda: False, repr=False, eq=False)
    _progress: Callable[[Progress], None] = field(default=lambda _: None, repr=False, eq=False)

    @property
    def cancelled(self) -> bool:
        """Whether the handler should stop: a cancel was requested, or the lease is lost.

        Async handlers are cancelled besides; plain functions ask now and then, here or with
        :meth:`check_cancelled`.
        """
        return self._stopping()

    def check_cancelled(self) -> None:
        """Stop here if the handler should stop: what it was at counts as cut off, not as failed.

        Raises:
            Stopped: it should; let it through.
        """
        if self._stopping():
            raise Stopped(f"phase {self.phase!r} of job {self.job_id} was asked to stop")

    def progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how far the work is; shown to operators, with the next renewal."""
        self._progress(Progress(done=done, total=total, note=note))

    def result(self, phase: Step) -> Any:
        """What an earlier phase gave.

        Raises:
            LookupError: it has not completed.
        """
        name = result_name(phase.name)
        if name not in self._results:
            raise LookupError(f"phase {phase.name!r} of job {self.job_id} has not completed")
        return load(self._results[name], phase.returns)

    def dependency(self, name: str, returns: Any = Any) -> Any:
        """What a job gave that this one has waited for; ``None`` if it gave nothing.

        Args:
            name: the job's name in the graph, or its id.
            returns: the type of its result.

        Raises:
            LookupError: there is none of that name, or it did not complete.
        """
        if name not in self._parents:
            known = ", ".join(sorted(self._parents)) or "none at all"
            message = f"job {self.job_id} has no result of a dependency {name!r}; it has {known}"
            raise LookupError(message)
        return load(self._parents[name], returns)
