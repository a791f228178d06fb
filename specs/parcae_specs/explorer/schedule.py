"""From a path through worlds to a schedule in real time: acts, and what each of them changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve, fields, frozen

from parcae import commands as c
from parcae.state import Job
from parcae.values import Token
from parcae_specs.explorer.cell import Cell
from parcae_specs.explorer.model import Model
from parcae_specs.explorer.names import spoken
from parcae_specs.explorer.options import Option
from parcae_specs.explorer.run import Act, Run, at
from parcae_specs.explorer.search import Found
from parcae_specs.explorer.space import Renames
from parcae_specs.explorer.step import Step


@frozen(kw_only=True)
class Scene:
    """One step of a schedule.

    Attributes:
        at: when, in seconds from the beginning.
        actor: who.
        verb: what it does.
        act: the call of the kernel it comes to; ``None``: none.
        outcome: the answer, in a few words.
        changed: what changed, one sentence each.
    """

    at: float
    actor: str
    verb: str
    act: Act | None = None
    outcome: str = ""
    changed: tuple[str, ...] = ()


@frozen(kw_only=True)
class Schedule:
    """How something comes about.

    Attributes:
        model: the name of the slice.
        jobs: what is admitted at the beginning.
        guarantee: the guarantee that does not hold.
        message: what goes wrong.
        scenes: step by step.
        again: it went wrong in the run in real time, too.
    """

    model: str
    jobs: tuple[c.Submit | None, ...]
    guarantee: str
    message: str
    scenes: tuple[Scene, ...]
    again: bool = True

    @property
    def acts(self) -> tuple[Act, ...]:
        """The calls of the kernel."""
        return tuple(scene.act for scene in self.scenes if scene.act is not None)


class Replay:
    """Walks a path in real time: by real tokens, on a clock that goes on."""

    def __init__(self, model: Model) -> None:
        self.run = Run(model.jobs, model.always)
        self.elapsed = 0.0
        self.tokens: list[dict[int, int]] = [{} for _ in model.jobs]
        self.requests: dict[str, int] = {}

    def step(self, option: Option, renames: Renames) -> Scene:
        """Do what ``option`` stands for."""
        self.elapsed += option.wait
        act = self._act(option)
        before = list(self.run.cells)
        outcome = ""
        if act is not None:
            ranks = [self._known(cell) for cell in before]
            step = self.run.act(act)
            outcome = told(step)
            self._learn(before, ranks)
        for slot, names in renames:
            known = self.tokens[slot]
            self.tokens[slot] = {names[old]: real for old, real in known.items() if old in names}
        changed = [
            line
            for slot, (old, new) in enumerate(zip(before, self.run.cells, strict=True))
            for line in changes(old, new, f"job {slot + 1}: " if len(before) > 1 else "")
        ]
        return Scene(
            at=self.elapsed,
            actor=option.actor,
            verb=option.verb,
            act=act,
            outcome=outcome,
            changed=tuple(changed),
        )

    def _act(self, option: Option) -> Act | None:
        if option.verb.startswith(("claims", "sends a claim")):
            call = option.spoken or option.message
            request = call[1].request if call and isinstance(call[1], c.Claim) else ""
            self.requests[request] = self.requests.get(request, 0) + 1
        if option.fresh is not None:
            fresh, slot, mode = option.fresh
            return Act(at=self.elapsed, slot=slot, retry=(mode, fresh))
        if option.spoken is None:
            return None
        slot, command = option.spoken
        if slot >= 0:
            command = spoken(command, self.tokens[slot])
        if isinstance(command, c.Claim):
            # In a world a request is forgotten once nobody can repeat it; here none comes again.
            slot, again = -1, self.requests[command.request]
            command = evolve(command, request=f"{command.request}-{again}")
        return Act(at=self.elapsed + option.offset, slot=slot, command=command)

    def _known(self, cell: Cell) -> int:
        return 0 if cell.stored is None else int(cell.stored.job.token)

    def _learn(self, before: list[Cell], last: list[int]) -> None:
        """A claim gives the token of the next rank."""
        del before
        for slot, cell in enumerate(self.run.cells):
            token = self._known(cell)
            if token != last[slot]:
                rank = max(self.tokens[slot], default=0) + 1
                self.tokens[slot][rank] = Token(token)


def schedule(found: Found) -> Schedule:
    """The way to what ``found`` says is wrong, done again in real time."""
    assert found.violation is not None
    replay = Replay(found.model)
    scenes = [replay.step(option, renames) for option, renames in _steps(found)]
    broken = found.violation
    dead_end = broken.guarantee == "L1"
    return Schedule(
        model=found.model.name,
        jobs=found.model.jobs,
        guarantee=broken.guarantee,
        message=broken.message,
        scenes=tuple(scenes),
        again=dead_end or not replay.run.holds(broken.guarantee),
    )


def _steps(found: Found) -> Iterator[tuple[Option, Renames]]:
    for _, option, renames in found.path:
        if option is not None:
            yield option, renames


def told(step: Step) -> str:
    """What the caller was told, in a few words."""
    if step.refusal is not None:
        return f"refused: {step.refusal}"
    if step.answer is None:
        return "nothing to be had"
    names = ", ".join(type(event).__name__ for event in step.events)
    return names or "as before"


def changes(before: Cell, after: Cell, prefix: str = "") -> Iterator[str]:
    """What differs between two cells, one short line each."""
    old, new = _plain(before), _plain(after)
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"{prefix}{name}: {old.get(name, '–')} → {new.get(name, '–')}"


def _plain(cell: Cell) -> dict[str, str]:
    if cell.stored is None:
        return {}
    job, liveness = cell.stored.job, cell.stored.liveness
    found = {"status": str(job.status), **_state(job)}
    for spec, phase in zip(job.spec.phases, job.phases, strict=True):
        word = f"{phase.status}{' (may have happened)' if phase.maybe else ''}"
        found[f"phase {spec.name}"] = word
    for undo in job.undos:
        found[f"undo {undo.phase}"] = f"{undo.status}, {undo.tries} tries burned"
    found["attempts burned"] = str(job.attempts)
    if job.fence is not None:
        found["fence"] = _when(job.fence)
    if liveness is not None:
        found["lease"] = f"token {liveness.token}, until {_when(liveness.expires_at)}"
    if job.late:
        found["late results"] = ", ".join(f"token {token}" for token in job.late)
    return found


def _state(job: Job) -> dict[str, str]:
    state: Any = job.state
    found: dict[str, str] = {}
    for attribute in fields(type(state)):
        value = getattr(state, attribute.name)
        if attribute.name in ("ready_at", "cause", "overlap") and value:
            found[attribute.name] = _when(value) if isinstance(value, datetime) else str(value)
        if attribute.name == "cancel" and value is not None:
            found["cancel requested"] = _when(value.at)
    return found


def _when(instant: datetime) -> str:
    return f"{clock((instant - at(0)) / timedelta(seconds=1))}"


def clock(seconds: float) -> str:
    """A time in a schedule."""
    return f"{seconds:g}s"
