"""A schedule put to the kernel in real time and by real tokens, with the observers looking on.

What the explorer found in worlds of relative times and short names is run again here, so nothing
is believed that only the shortening of names brought about. Generated tests use this too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import evolve as replace
from attrs import frozen

from parcae import commands as c
from parcae.spec import RetryMode
from parcae.state import Job
from parcae.values import Instant, Place
from parcae_specs.explorer import crowd
from parcae_specs.explorer.audit import audit
from parcae_specs.explorer.cell import NOW, Cell
from parcae_specs.explorer.crowd import job_name
from parcae_specs.explorer.model import Always
from parcae_specs.explorer.step import Step, put
from parcae_specs.explorer.watch import Violation


def at(seconds: float) -> Instant:
    """The instant so many seconds after the schedule begins."""
    return NOW + timedelta(seconds=seconds)


@frozen(kw_only=True)
class Act:
    """One call of the kernel in a schedule.

    Attributes:
        at: when, in seconds from the beginning, on the caller's clock.
        slot: the job; for a claim, -1.
        command: what is asked; ``None`` for a manual retry.
        retry: for one: how, and which slot the new job takes.
    """

    at: float
    slot: int
    command: c.Command | None = None
    retry: tuple[RetryMode, int] | None = None


class Run:
    """Jobs, and everything that was put to them.

    Args:
        jobs: what is admitted at the beginning; ``None`` is room for a manual retry.
        always: properties beside the guarantees.
    """

    def __init__(self, jobs: Sequence[c.Submit | None], always: Sequence[Always] = ()) -> None:
        self.always = always
        self.seen: list[Job] = []
        self.cells: list[Cell] = [Cell() for _ in jobs]
        self.broken: list[Violation] = []
        self.places = 0
        for slot, submit in enumerate(jobs):
            if submit is not None:
                self._kept(slot, put(job_name(slot), Cell(), submit, NOW, self._place()))

    def _place(self) -> Place:
        self.places += 1
        return Place(self.places)

    def job(self, slot: int = 0) -> Job | None:
        """The job in a slot, as it is now."""
        stored = self.cells[slot].stored
        return None if stored is None else stored.job

    def put(self, seconds: float, command: c.Command, slot: int = 0) -> Step:
        """Put a command to the job in a slot; what is refused does nothing."""
        if isinstance(command, c.Claim):
            return self._claim(at(seconds), command)
        name, cell, now, place = job_name(slot), self.cells[slot], at(seconds), self._place()
        step = put(name, cell, command, now, place)
        self.broken += audit(name, cell, command, step, now, place)
        return self._kept(slot, step)

    def _claim(self, now: datetime, command: c.Claim) -> Step:
        granted = crowd.claim(self.cells, command, now, self._place())
        self.broken += granted.broken
        if granted.step is None:
            return Step(cell=Cell())
        return self._kept(granted.slot, replace(granted.step, broken=()))

    def retry(self, seconds: float, slot: int, mode: RetryMode, fresh: int) -> Step:
        """Ask for a manual retry of the ended job in ``slot``; the new one goes to ``fresh``."""
        step = crowd.retry(self.cells, slot, mode, fresh, at(seconds))
        self.broken += step.broken
        if step.answer is not None:
            origin = self.cells[slot]
            once = origin.ghost.carried or mode is not RetryMode.FROM_START
            self.cells[slot] = replace(origin, ghost=replace(origin.ghost, carried=once))
            self.cells[fresh] = step.cell
        return step

    def act(self, act: Act) -> Step:
        """Do one act of a schedule."""
        if act.retry is not None:
            return self.retry(act.at, act.slot, *act.retry)
        assert act.command is not None
        return self.put(act.at, act.command, act.slot)

    def _kept(self, slot: int, step: Step) -> Step:
        self.broken += step.broken
        if step.refusal is None:
            self.cells[slot] = step.cell
            self._look(step.cell)
        return step

    def _look(self, cell: Cell) -> None:
        if cell.stored is not None:
            self.seen.append(cell.stored.job)
        for one in self.always:
            if not one.holds(cell):
                self.broken.append(Violation(one.name, "a job is as it may not be"))

    def holds(self, guarantee: str) -> bool:
        """Whether a guarantee held throughout."""
        return not self.found(guarantee)

    def found(self, guarantee: str) -> str:
        """What went wrong with a guarantee; empty: nothing did."""
        wrong = [one.message for one in self.broken if one.guarantee == guarantee]
        return "; ".join(wrong)
