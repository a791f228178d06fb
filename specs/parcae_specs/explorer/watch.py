"""The observer of one job: checks every event against the guarantees, and remembers what it must.

It draws on the answers that the kernel gave and on nothing that the kernel keeps for itself, so a
kernel that forgets (a completed phase, a token, an attempt) is found out.
"""

from __future__ import annotations

from typing import Any

from attrs import asdict, frozen

from parcae import commands as c
from parcae.spec import Spec
from parcae.state import Stored
from parcae.values import Instant, Place
from parcae_specs.explorer.cell import Ghost


@frozen
class Violation:
    """A guarantee that does not hold.

    Attributes:
        guarantee: its id.
        message: what went wrong, in a sentence.
    """

    guarantee: str
    message: str


class Watch:
    """Follows one decision, event by event."""

    def __init__(
        self,
        ghost: Ghost,
        spec: Spec,
        before: Stored | None,
        command: c.Command,
        now: Instant,
        place: Place,
    ) -> None:
        self.spec = spec
        self.before = before
        self.command = command
        self.now = now
        self.place = place
        self.found: list[Violation] = []
        self.g: dict[str, Any] = asdict(ghost, recurse=False)
        self.undoable = sum(1 << i for i, one in enumerate(spec.phases) if one.undo is not None)

    def require(self, condition: bool, guarantee: str, message: str) -> None:
        """Report ``guarantee`` as broken unless ``condition`` holds."""
        if not condition:
            self.found.append(Violation(guarantee, message))

    def bit(self, phase: str) -> int:
        """The bit of the phase of that name."""
        return 1 << next(i for i, one in enumerate(self.spec.phases) if one.name == phase)

    @property
    def happened(self) -> int:
        """The phases that happened or may have, as a bit mask."""
        return int(self.g["done"] | self.g["cut"])

    @property
    def owed(self) -> int:
        """Those of them that need undoing and are not undone."""
        return self.happened & self.undoable & ~int(self.g["undone"])

    def lay_down(self) -> None:
        """The phase in work has ended: it raised, so it has not happened, or it was cut off."""
        live = self.g["live"]
        if live >= 0 and not isinstance(self.command, c.Fail):
            self.g["cut"] |= 1 << live
        self.g["live"] = -1

    def alive(self, what: str) -> None:
        """Nothing begins beside a handler that could be alive (S29), unless somebody forced it."""
        until = self.g["alive_until"]
        beside = until is not None and until > self.now and not self.g["forced"]
        self.require(not beside, "S29", f"{what} beside a handler whose lease runs on")

    def permitted(self, what: str) -> None:
        """What may be begun or extended only under a lease that has not expired (S24)."""
        held = self.g["held_until"]
        good = held is not None and held > self.now
        self.require(good, "S24", f"{what} under a lease that has expired")

    def in_time(self, what: str, *, undo: bool) -> None:
        """Nothing begins past its timeout or deadline: else the outcome depends on who looks."""
        job = self.before.job if self.before else None
        if job is None or job.lease is None:
            return
        timing = job.spec.timing
        limit = timing.undo if undo else timing.attempt
        late = job.lease.since + limit <= self.now
        if timing.deadline is not None and not undo:
            late = late or job.submitted_at + timing.deadline <= self.now
        self.require(not late, "S30", f"{what} that had fallen due to end")
