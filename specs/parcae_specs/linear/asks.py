"""What a client asks for, as plain data: written into a journal, and replayed from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from parcae import admit
from parcae import commands as c
from parcae import handle as rules
from parcae.admit import Idempotency
from parcae.change import Change, Key, Revision, View
from parcae.errors import Reason, Rejected
from parcae.ports import Claimable, Named, Overdue, Selection
from parcae.spec import OnLost, PhaseSpec, Retry, Spec, Timing, UndoSpec
from parcae.values import Error, JobId, Token, WorkerId, blob, seconds

KIND = "history"
PAYLOAD = b"{}"
KINDS = frozenset({KIND})
BRISK = Timing(
    lease=seconds(0.4),
    renewal=seconds(0.1),
    attempt=seconds(1.5),
    cancel_grace=seconds(0.2),
    undo=seconds(1.5),
)
RETRY = Retry(max_attempts=2, backoff=seconds(0.05), max_releases=1)
SHAPES: tuple[tuple[PhaseSpec, ...], ...] = (
    (PhaseSpec(name="a"),),
    (PhaseSpec(name="a", undo=UndoSpec(retry=RETRY)), PhaseSpec(name="b")),
    (PhaseSpec(name="a", undo=UndoSpec(unknown=True, retry=RETRY)), PhaseSpec(name="b")),
)
LIMIT = 1_000
"""Jobs that one reconcile settles: never less than there are, so that no tie decides."""


@frozen
class Ask:
    """One operation.

    Attributes:
        what: ``submit``, ``claim``, ``reconcile``, ``delete``, or what is told to one job.
        job: which job it is told.
        text: a request key, the name of a phase, a note: whatever goes with it.
        number: a token, a limit, a shape, a version.
        key: an idempotency key.
        worker: who claims.
    """

    what: str
    job: str = ""
    text: str = ""
    number: int = 0
    key: str = ""
    worker: str = ""

    @property
    def selection(self) -> Selection:
        """What its transaction loads."""
        if self.what == "claim":
            return Claimable(
                worker=WorkerId(self.worker), request=self.text, kinds=KINDS, limit=self.number
            )
        if self.what == "reconcile":
            return Overdue(limit=LIMIT)
        if self.what == "submit":
            return Named(keys=(_key(self.key),) if self.key else ())
        return Named(ids=(JobId(self.job),))

    def rule(self, view: View) -> Sequence[Change | Revision]:
        """What it makes of a view."""
        if self.what == "claim":
            command = c.Claim(worker=WorkerId(self.worker), request=self.text)
            return rules.claim(view, command, kinds=KINDS, queues=None, limit=self.number)
        if self.what == "reconcile":
            return rules.reconcile(view)
        if self.what == "submit":
            once = Idempotency(key=_key(self.key), ttl=seconds(1)) if self.key else None
            return admit.submit(view, self._spec(), PAYLOAD, once)
        if self.what == "delete":
            self._require_version(view)
        command_of = COMMANDS[self.what]
        data = self.text.encode() if self.what == "done" else None
        return rules.obey(view, JobId(self.job), command_of(self), data)

    def _spec(self) -> Spec:
        return Spec(
            kind=KIND,
            phases=SHAPES[self.number],
            payload=blob("payload", PAYLOAD),
            timing=BRISK,
            retry=RETRY,
            on_lost=OnLost(times=1),
        )

    def _require_version(self, view: View) -> None:
        """A job is deleted only by whoever has read all of its events in the log."""
        stored = view.jobs.get(JobId(self.job))
        if stored is not None and stored.job.version != self.number:
            raise Rejected(Reason.RETAINED, f"job {self.job} has more to read", command="Delete")

    @property
    def token(self) -> Token:
        """The token that a worker speaks under."""
        return Token(self.number)


def _key(key: str) -> Key:
    return Key(scope="submit", key=key)


def _error(ask: Ask) -> Error:
    return Error(type="Flaky", message=ask.text, permanent=ask.key == "permanent")


COMMANDS: Mapping[str, Callable[[Ask], c.Command]] = {
    "start": lambda ask: c.StartPhase(token=ask.token, phase=ask.text),
    "done": lambda ask: c.CompletePhase(
        token=ask.token, phase=ask.text, result=blob(f"result/{ask.text}", ask.text.encode())
    ),
    "fail": lambda ask: c.Fail(token=ask.token, error=_error(ask)),
    "release": lambda ask: c.Release(token=ask.token),
    "confirm": lambda ask: c.ConfirmCancel(token=ask.token),
    "renew": lambda ask: c.Renew(token=ask.token),
    "undo": lambda ask: c.StartUndo(token=ask.token, phase=ask.text),
    "undone": lambda ask: c.CompleteUndo(token=ask.token, phase=ask.text),
    "undo-failed": lambda ask: c.FailUndo(token=ask.token, phase=ask.text, error=_error(ask)),
    "cancel": lambda ask: c.Cancel(by=ask.text, force=ask.number > 0),
    "note": lambda ask: c.Annotate(by="", note=ask.text),
    "delete": lambda _: c.Delete(),
}
