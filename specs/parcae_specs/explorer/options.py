"""What each actor may do next, seen from the parts of a world that it depends on."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve as replace
from attrs import frozen

from parcae import commands as c
from parcae.commands import Command
from parcae.errors import Reason
from parcae.spec import RetryMode
from parcae_specs.explorer.belief import (
    DROPPED,
    Belief,
    Held,
    Unsure,
    after,
    asks,
    claim,
    granted,
)
from parcae_specs.explorer.crowd import job_name
from parcae_specs.explorer.memo import Memo
from parcae_specs.explorer.model import Fault
from parcae_specs.explorer.tables import Message
from parcae_specs.explorer.watch import Violation

Cells = tuple[int, ...]
"""The numbers of all cells of a world."""


@frozen(kw_only=True)
class Option:
    """Something an actor may do.

    Attributes:
        actor: who.
        verb: what, in words.
        faults: what it costs.
        changes: the cells that it replaces, by slot.
        belief: what the actor believes afterwards; unchanged for others than workers.
        message: a call that it leaves under way.
        spoken: the command that reaches the kernel, and the slot it is for.
        offset: by how much the actor's clock is ahead, in seconds.
        wait: how long, for the passing of time, in seconds.
        fresh: the slot of the job that a manual retry admits, the origin's, and how.
        refusal: why the kernel refused.
        broken: the guarantees that it breaks.
    """

    actor: str
    verb: str
    faults: tuple[Fault, ...] = ()
    changes: tuple[tuple[int, int], ...] = ()
    belief: Belief = None
    message: Message | None = None
    spoken: Message | None = None
    offset: float = 0.0
    wait: float = 0.0
    fresh: tuple[int, int, RetryMode] | None = None
    refusal: Reason | None = None
    broken: tuple[Violation, ...] = ()


class Options:
    """Finds the options of every actor; each is worked out once per parts it depends on."""

    def __init__(self, memo: Memo) -> None:
        self.memo = memo
        self.model = memo.model
        self.tables = memo.tables

    def of_worker(self, index: int, belief: Belief, cells: Cells, request: str) -> Iterator[Option]:
        """What a worker may do, believing this; ``request``: a key that nobody has used."""
        actor = f"worker {index + 1}"
        if belief is None:
            yield from self._claims(index, actor, cells, request)
            return
        crash = Option(actor=actor, verb="dies", faults=(Fault.CRASH,))
        yield crash
        if isinstance(belief, Held):
            yield from self._asks(index, actor, belief, cells)
            return
        yield from self._repeats(index, actor, belief, cells)
        if belief.heard is not None:
            heard = None if isinstance(belief.heard, str) else belief.heard
            yield Option(actor=actor, verb="hears the late answer", belief=heard)

    def _claims(self, index: int, actor: str, cells: Cells, request: str) -> Iterator[Option]:
        once = self._claim(actor, "claims", index, claim("once"), cells)
        if once.changes or once.broken:
            yield once
        command = claim(request)
        message: Message = (-1, command)
        kept = self._claim(actor, "claims", index, command, cells)
        if kept.changes:
            lost = Unsure(None, -1, command, kept.belief or DROPPED)  # type: ignore[arg-type]
            yield replace(kept, verb="claims, unheard", faults=(Fault.LOST,), belief=lost)
            yield replace(kept, verb="claims, twice", faults=(Fault.TWICE,), message=message)
        late = Unsure(None, -1, command)
        verb = "sends a claim"
        yield Option(actor=actor, verb=verb, faults=(Fault.LATE,), belief=late, message=message)

    def _claim(self, actor: str, verb: str, index: int, command: c.Claim, cells: Cells) -> Option:
        offset = self.model.clock(index)
        slot, number, step, broken = self.memo.claim(cells, command, offset)
        spoken: Message = (slot, command)
        if step is None:
            ahead = offset.total_seconds()
            nothing = Option(actor=actor, verb=verb, spoken=(-1, command), offset=ahead)
            return replace(nothing, broken=broken)
        return Option(
            actor=actor,
            verb=f"{verb} {job_name(slot)}" if len(cells) > 1 else verb,
            changes=((slot, number),),
            belief=granted(slot, step.cell),
            spoken=spoken,
            offset=offset.total_seconds(),
            broken=broken,
        )

    def _asks(self, index: int, actor: str, held: Held, cells: Cells) -> Iterator[Option]:
        stored = self.tables.cells.values[cells[held.slot]].stored
        if stored is None:
            # Its job was deleted: whatever it says next is answered so.
            yield Option(actor=actor, verb="finds no job any more", belief=None)
            return
        for verb, command, fault in asks(stored.job.spec, held):
            cost = () if fault is None else (fault,)
            now = self._put(index, actor, verb, held, held.slot, command, cells)
            yield replace(now, faults=cost)
            message: Message = (held.slot, command)
            renewal = isinstance(command, c.Renew)
            waiting: Belief = held if renewal else Unsure(held, held.slot, command)
            yield Option(
                actor=actor,
                verb=f"{verb}, late",
                faults=(*cost, Fault.LATE),
                belief=waiting,
                message=message,
            )
            if now.refusal is not None:
                continue
            twice = (*cost, Fault.TWICE)
            yield replace(now, verb=f"{verb}, twice", faults=twice, message=message)
            if not renewal:
                heard = now.belief if isinstance(now.belief, Held) else DROPPED
                lost = Unsure(held, held.slot, command, heard)
                cost = (*cost, Fault.LOST)
                yield replace(now, verb=f"{verb}, unheard", faults=cost, belief=lost)

    def _put(
        self,
        index: int,
        actor: str,
        verb: str,
        held: Held,
        slot: int,
        command: Command,
        cells: Cells,
    ) -> Option:
        offset = self.model.clock(index)
        number, step = self.memo.put(slot, cells[slot], command, offset)
        return Option(
            actor=actor,
            verb=verb,
            changes=((slot, number),),
            belief=after(held, command, step),
            spoken=(slot, command),
            offset=offset.total_seconds(),
            refusal=step.refusal,
            broken=step.broken,
        )

    def _repeats(self, index: int, actor: str, unsure: Unsure, cells: Cells) -> Iterator[Option]:
        command = unsure.command
        if unsure.before is None:
            assert isinstance(command, c.Claim)
            yield self._claim(actor, "repeats its claim", index, command, cells)
            return
        if self.tables.cells.values[cells[unsure.slot]].stored is None:
            yield Option(actor=actor, verb="finds no job any more", belief=None)
            return
        verb = f"repeats {type(command).__name__}"
        yield self._put(index, actor, verb, unsure.before, unsure.slot, command, cells)

    def of_wire(self, message: Message, cells: Cells) -> Option:
        """A call that arrives late, or a second time; nobody hears the answer."""
        slot, command = message
        if slot < 0:
            assert isinstance(command, c.Claim)
            return self._claim("network", "delivers a claim", 0, command, cells)
        verb = f"delivers {type(command).__name__}"
        if self.tables.cells.values[cells[slot]].stored is None:
            return Option(actor="network", verb=verb)
        number, step = self.memo.put(slot, cells[slot], command, self.model.clock(0))
        return Option(
            actor="network",
            verb=verb,
            changes=((slot, number),),
            spoken=message,
            offset=self.model.clock(0).total_seconds(),
            refusal=step.refusal,
            broken=step.broken,
        )
