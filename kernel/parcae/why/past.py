"""What went wrong before, was asked for, or was given up: from the history, without error texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import define, frozen

from parcae import events as e
from parcae.commands import ReportKind
from parcae.phrases import at, count
from parcae.values import Cause, Error, Token, WorkerId

MOST = 12
"""Sentences about the past; of a longer one, those before are counted."""

BURNED = {
    Cause.LEASE_LOST: "was lost with its worker",
    Cause.ATTEMPT_TIMEOUT: "ran past its hard timeout",
    Cause.HANDLER_ERROR: "failed",
    Cause.REPORTED: "was given up by the host's own queue",
    Cause.ATTEMPTS_EXHAUSTED: "was given back in a shutdown once too often",
}
"""How an attempt is burned."""


@define
class Reader:
    """Follows a history: who holds the job, at which phase, and how much was burned before."""

    worker: WorkerId | None = None
    token: Token = Token(0)
    phase: str | None = None
    attempt: int = 1
    tries: int = 1

    def read(self, event: e.Event) -> str | None:
        """What is to be said of ``event``; ``None``: nothing."""
        said = _told(self, event)
        self._follow(event)
        return said

    def _follow(self, event: e.Event) -> None:
        match event:
            case e.Started() | e.CompensationClaimed():
                self.worker, self.token, self.phase = event.worker, event.token, None
            case e.PhaseStarted() | e.UndoStarted():
                self.phase = event.phase
            case e.PhaseCompleted():
                self.phase = None
            case e.UndoCompleted():
                self.phase, self.tries = None, 1
            case e.UndoRetryScheduled() | e.CompensationLost():
                self.phase, self.tries = None, self.tries + 1
            case e.RetryScheduled():
                self.phase, self.attempt = None, self.attempt + 1
            case e.Released():
                self.phase, self.attempt = None, self.attempt + event.burned
            case e.CompensationReleased():
                self.phase, self.tries = None, self.tries + event.burned
            case e.CompensationBegan():
                self.phase, self.tries = None, 1
            case _:
                pass

    @property
    def holder(self) -> str:
        """Who held it."""
        return f"worker {self.worker}, token {self.token}"

    @property
    def where(self) -> str:
        """At which phase."""
        return f"in phase {self.phase}" if self.phase else "between phases"


def past(history: Iterable[e.Event]) -> tuple[str, ...]:
    """What is worth knowing of what happened, the last of it last."""
    reader = Reader()
    said = tuple(one for one in map(reader.read, history) if one is not None)
    if len(said) <= MOST:
        return said
    earlier = count(len(said) - MOST, "earlier incident")
    return (f"There were {earlier}; its history has them all.", *said[-MOST:])


def _told(reader: Reader, event: e.Event) -> str | None:
    match event:
        case e.RetryScheduled():
            return _burned(reader, event, event.cause)
        case e.Failed() | e.Cancelled() | e.CompensationBegan() | e.Quarantined():
            if _gave_up(event):
                return _given_up(reader, event)
            return _burned(reader, event, event.burned_by) if event.burned_by else None
        case e.Released() | e.CompensationReleased():
            return _given_back(reader, event)
        case e.CompensationLost() | e.UndoRetryScheduled():
            return _undo_burned(reader, event)
        case e.CancelRequested():
            who = event.request.by or "Somebody"
            return f"{who} asked for it to stop at {at(event.at)}."
        case e.DependencySettled() if not event.met:
            return f"{event.parent}, which it depends on, ended {event.outcome}."
        case e.LateResultRecorded():
            return _late(event)
        case e.Migrated():
            return f"It took the shape of version {event.shape.definition} at {at(event.at)}."
        case _:
            return None


def _late(event: e.LateResultRecorded) -> str:
    kept = "kept as evidence, it changed nothing"
    if event.kind is ReportKind.ABANDONED:
        return (
            f"The host's own queue gave up its start with token {event.token} at "
            f"{at(event.at)}, which was over: {kept}."
        )
    return (
        f"A worker that had lost it (token {event.token}) reported “{event.kind}” at "
        f"{at(event.at)}: {kept}."
    )


def _burned(
    reader: Reader,
    event: e.RetryScheduled | e.Failed | e.Cancelled | e.CompensationBegan | e.Quarantined,
    cause: Cause,
) -> str:
    how = BURNED.get(cause, f"ended: {cause}")
    error = f" with {event.error.type}" if event.error else ""
    found = ", as the reconciler found" * event.reconciled
    number = reader.attempt
    return (
        f"Attempt {number} ({reader.holder}) {how}{error} {reader.where} at {at(event.at)}{found}."
    )


def _given_back(reader: Reader, event: e.Released | e.CompensationReleased) -> str:
    undoing = isinstance(event, e.CompensationReleased)
    where = f"while undoing {reader.phase}" if undoing and reader.phase else reader.where
    if not event.voluntary:
        why = "reported after its lease had run out, and so gave it back"
    else:
        left = "could not run it" if event.lacks else "shut down"
        why = f"{left} and gave it back" + ", once too often" * event.burned
    return f"Its holder ({reader.holder}) {why}, {where}, at {at(event.at)}."


def _undo_burned(reader: Reader, event: e.CompensationLost | e.UndoRetryScheduled) -> str:
    what = f"the undo of {reader.phase}" if reader.phase else "undoing, with no undo begun"
    if isinstance(event, e.UndoRetryScheduled):
        raised = f"failed with {event.error.type}"
        return f"Try {reader.tries} of {what} ({reader.holder}) {raised} at {at(event.at)}."
    how = BURNED[event.cause]
    return f"Try {reader.tries} of {what} ({reader.holder}) {how} at {at(event.at)}."


def _given_up(
    reader: Reader, event: e.Failed | e.Cancelled | e.CompensationBegan | e.Quarantined
) -> str:
    what = f"The undo of {reader.phase}" if reader.phase else "Undoing, with no undo begun,"
    error = f" with {event.error.type}" if event.error else ""
    last = f"try {reader.tries}, the last one ({reader.holder}), ended badly{error}"
    return f"{what} was given up at {at(event.at)}: {last}."


@frozen(kw_only=True)
class Fault:
    """An error in a history, and where it was raised."""

    event: e.Event
    phase: str | None
    undo: bool
    number: int
    error: Error


def faults(history: Iterable[e.Event]) -> Iterator[Fault]:
    """Every error on record."""
    reader = Reader()
    for event in history:
        error = getattr(event, "error", None)
        if error is not None:
            undo = isinstance(event, e.UndoRetryScheduled) or _gave_up(event)
            phase = event.phase if isinstance(event, e.LateResultRecorded) else reader.phase
            number = reader.tries if undo else reader.attempt
            yield Fault(event=event, phase=phase, undo=undo, number=number, error=error)
        reader.read(event)


def _gave_up(event: e.Event) -> bool:
    return isinstance(event, e.Quarantined) and event.cause is Cause.COMPENSATION_FAILED
