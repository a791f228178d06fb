"""Worlds as whole numbers, and the step from each to its successors.

A world is the cells, what each worker believes, the calls under way, and what may still go wrong,
each a field of bits. What an actor may do depends on a few fields; it is worked out once for
them, as a number to add to the world. Where the set of known tokens changes, names are made anew.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve as replace

from parcae.values import Place
from parcae_specs.explorer.belief import Belief, Held, Unsure
from parcae_specs.explorer.cell import Cell
from parcae_specs.explorer.crowd import job_name
from parcae_specs.explorer.host import Host
from parcae_specs.explorer.making import Maker
from parcae_specs.explorer.memo import Memo
from parcae_specs.explorer.model import Fault, Model
from parcae_specs.explorer.moves import Group, Moves, Purse
from parcae_specs.explorer.names import Ranks, spoken
from parcae_specs.explorer.options import Option, Options
from parcae_specs.explorer.places import ALL, BELIEF, CELL, NETWORK, ONE, WIRE, Key, Layout
from parcae_specs.explorer.step import put
from parcae_specs.explorer.tables import TOKEN_BITS, Message

TOKENS = (1 << TOKEN_BITS) - 1

Renames = tuple[tuple[int, Ranks], ...]
"""What the tokens of each job are called after a step."""


class Broken(Exception):
    """A guarantee does not hold: found in ``world``, by doing ``option``."""

    def __init__(self, world: int, option: Option) -> None:
        super().__init__(option.broken[0].message)
        self.world = world
        self.option = option


class Space(Layout):
    """All worlds of one model."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.model = model
        self.memo = Memo(model)
        self.tables = self.memo.tables
        self.purse = Purse(model, self.top)
        self.bits = self.purse.bits
        self.maker = Maker(Options(self.memo), Host(self.memo), self, self.purse)
        self.symmetric = model.symmetric
        self.unsure = any(
            model.faults.get(fault, 0) != 0 for fault in (Fault.LOST, Fault.LATE, Fault.TWICE)
        )
        self.tables.belief(None)  # its number is 0
        self._moves: dict[Key, Moves] = {}
        self._told: dict[Key, Moves] = {}
        self._kinds: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._wired: dict[tuple[int, Message], int] = {}

    def first(self) -> int:
        """The world in which all jobs have just been admitted."""
        world, place = 0, 1
        for slot, submit in enumerate(self.model.jobs):
            cell = Cell()
            if submit is not None:
                step = put(job_name(slot), cell, submit, self.memo.now, self.memo.place)
                assert not step.broken, step.broken
                assert step.refusal is None, f"{self.model.name}: refused, {step.refusal}"
                cell = step.cell
                assert cell.stored is not None
                job = replace(cell.stored.job, place=Place(place))
                cell = replace(cell, stored=replace(cell.stored, job=job))
                place += 1
            world |= self.memo.intern(cell) << self.cell_shifts[slot]
        nobody, nothing = self.tables.belief(None), self.tables.wire(())
        for shift in self.belief_shifts:
            world |= nobody << shift
        return world | nothing << self.wire_shift | self.purse.full

    def values(self, world: int) -> tuple[Cell, ...]:
        """The cells of a world."""
        return tuple(self.tables.cells.values[cell] for cell in self.cells(world))

    def successors(self, world: int) -> list[int]:
        """Every world that is one step away."""
        found: list[int] = []
        for moves in self._all(world):
            for group in moves:
                for need in group.need:
                    if not world & need:
                        break
                else:
                    if group.broken:
                        raise Broken(world, group.broken[0])
                    group.uses += 1
                    found += [world + delta for delta in group.plain]
                    if group.slow:
                        found += [self._settled(world, *move)[0] for move in group.slow]
        return list(map(self.sorted, found)) if self.symmetric else found

    def steps(self, world: int) -> Iterator[tuple[Option, int, Renames]]:
        """Like :meth:`successors`, saying what was done and how the tokens are called then."""
        for key in self._keys(world):
            for group in self._labelled(key):
                if not all(world & need for need in group.need):
                    continue
                plain, slow = group.options
                for delta, option in zip(group.plain, plain, strict=True):
                    yield option, self._canonical(world + delta), ()
                for move, option in zip(group.slow, slow, strict=True):
                    after, renames = self._settled(world, *move)
                    yield option, self._canonical(after), renames

    def faults(self, world: int) -> Iterator[Option]:
        """What can be done in this world that breaks a guarantee."""
        for moves in self._all(world):
            for group in moves:
                if all(world & need for need in group.need):
                    yield from group.broken

    def _canonical(self, world: int) -> int:
        return self.sorted(world) if self.symmetric else world

    def _keys(self, world: int) -> list[Key]:
        every = world & self.cells_mask
        wire = world >> self.wire_shift & WIRE
        beliefs = [world >> shift & BELIEF for shift in self.belief_shifts]
        free = self._free_request(wire, beliefs) << 8 if self.unsure else 0
        seen = self.tables.belief_slots
        keys = [
            (index, belief, every & self.cell_masks[seen[belief]])
            if belief
            else (index + free, 0, every)
            for index, belief in enumerate(beliefs)
        ]
        keys.append((ALL, 0, every))
        if self.jobs > 1:
            keys += [(ONE - i, 0, every & self.cell_masks[i]) for i in range(self.jobs)]
        if wire:
            keys.append((NETWORK, wire, every))
        return keys

    def _free_request(self, wire: int, beliefs: list[int]) -> int:
        """The first request key that nobody may repeat."""
        mask = self.tables.wire_masks[wire]
        for belief in beliefs:
            mask |= self.tables.belief_masks[belief]
        mask >>= self.jobs * TOKEN_BITS
        free = 0
        while mask >> free & 1:
            free += 1
        return free

    def _all(self, world: int) -> list[Moves]:
        moves = self._moves
        found: list[Moves] = []
        for key in self._keys(world):
            known = moves.get(key)
            if known is None:
                known = moves[key] = self.maker.made(key)
                for group in known:
                    group.forget(self._kinds)
            found.append(known)
        return found

    def _labelled(self, key: Key) -> Moves:
        """The moves with the options that they stand for, which are kept only where wanted."""
        known = self._told.get(key)
        if known is None:
            known = self._told[key] = self.maker.made(key)
        return known

    def all_groups(self) -> Iterator[Group]:
        """Every move that was worked out."""
        for moves in self._moves.values():
            yield from moves

    def _settled(
        self, world: int, delta: int, message: Message | None, touched: bool
    ) -> tuple[int, Renames]:
        """The world after a move, by the shortest names for what is still known."""
        world += delta
        if message is not None:
            world = self._send(world, message)
        if not touched:
            return world, ()
        tables = self.tables
        mask = tables.wire_masks[world >> self.wire_shift & WIRE]
        for shift in self.belief_shifts:
            mask |= tables.belief_masks[world >> shift & BELIEF]
        places = self._places(world) if self.jobs > 1 else None
        renames: list[tuple[int, Ranks]] = []
        again = False
        for slot, shift in enumerate(self.cell_shifts):
            cell = world >> shift & CELL
            bits = (mask >> slot * TOKEN_BITS & TOKENS) | tables.cell_masks[cell]
            request = bool(tables.request_masks[cell] & mask)
            place = self.maker.place(cell) if places is None else places[slot]
            number, ranks, changed = self.memo.renamed(cell, bits, request, place)
            world += (number - cell) << shift
            renames.append((slot, ranks))
            again = again or changed
        if again:
            for slot, ranks in renames:
                world = self._rename_all(world, slot, ranks)
        return world, tuple(renames)

    def _send(self, world: int, message: Message) -> int:
        wire = world >> self.wire_shift & WIRE
        more = self._wired.get((wire, message))
        if more is None:
            more = self.tables.wire((*self.tables.wires.values[wire], message))
            self._wired[wire, message] = more
        return world + ((more - wire) << self.wire_shift)

    def _places(self, world: int) -> list[int]:
        """The places in line, by rank."""
        places = [self.maker.place(cell) for cell in self.cells(world)]
        ranks = {place: rank for rank, place in enumerate(sorted({*places, 0}))}
        return [ranks[place] for place in places]

    def _rename_all(self, world: int, slot: int, ranks: Ranks) -> int:
        tables = self.tables
        for shift in self.belief_shifts:
            belief = world >> shift & BELIEF
            new = tables.belief(_renamed(tables.beliefs.values[belief], slot, ranks))
            world += (new - belief) << shift
        wire = world >> self.wire_shift & WIRE
        messages = tables.wires.values[wire]
        new = tables.wire(
            tuple((to, spoken(said, ranks) if to == slot else said) for to, said in messages)
        )
        return world + ((new - wire) << self.wire_shift)

    def sorted(self, world: int) -> int:
        """The same world with its workers in order: they are interchangeable."""
        shifts = self.belief_shifts
        beliefs = [world >> shift & BELIEF for shift in shifts]
        ordered = sorted(beliefs)
        if ordered == beliefs:
            return world
        for shift, old, new in zip(shifts, beliefs, ordered, strict=True):
            world += (new - old) << shift
        return world


def _renamed(belief: Belief, slot: int, ranks: Ranks) -> Belief:
    """What a worker believes, with the tokens of one job by new names."""
    if belief is None:
        return None
    if isinstance(belief, Held):
        return _held(belief, slot, ranks)
    before, heard, command = belief.before, belief.heard, belief.command
    if before is not None:
        before = _held(before, slot, ranks)
    if isinstance(heard, Held):
        heard = _held(heard, slot, ranks)
    if belief.slot == slot:
        command = spoken(command, ranks)
    return Unsure(before, belief.slot, command, heard)


def _held(held: Held, slot: int, ranks: Ranks) -> Held:
    return replace(held, token=ranks[held.token]) if held.slot == slot else held
