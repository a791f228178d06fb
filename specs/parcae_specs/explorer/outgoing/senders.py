"""Senders, each in small steps between any two of which it may die, and the receiver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from attrs import evolve as replace

from parcae import deliveries as d
from parcae import outbox
from parcae.errors import LeaseLost, Rejected
from parcae.values import WorkerId
from parcae_specs.explorer.outgoing.desk import HOOK, Desk
from parcae_specs.explorer.outgoing.model import Mishap
from parcae_specs.explorer.outgoing.shorten import NOW
from parcae_specs.explorer.outgoing.watch import require
from parcae_specs.explorer.outgoing.world import Holding, Mind, Row, World

SAID = {
    "yes": d.Attempt(status=204),
    "no": d.Attempt(status=503),
    "gone": d.Attempt(status=410),
    "nothing": d.Attempt(error="TimeoutError"),
}
ANSWERS = {"yes": None, "no": Mishap.REFUSE, "gone": Mishap.GONE, "nothing": Mishap.LOST}
"""What a sender hears, and which mishap that is."""


class Move(NamedTuple):
    """One step.

    Attributes:
        name: in words.
        world: after it.
        price: the mishap that it is, if any.
        fair: it happens in the end, if nothing else does.
    """

    name: str
    world: World
    price: Mishap | None = None
    fair: bool = True


class Senders:
    """All moves of senders."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def moves(self, world: World) -> Iterator[Move]:
        """What any of them may do."""
        for index, mind in enumerate(world.minds):
            if not mind.holds:
                yield from self._take(world, index, mind)
            for holding in mind.holds:
                yield from self._go_on(world, index, holding)
            if mind.holds:
                dead = _with(world, index, Mind(request=mind.request + 1))
                yield Move(f"sender {index + 1} dies", dead, Mishap.CRASH, fair=False)

    def _take(self, world: World, index: int, mind: Mind) -> Iterator[Move]:
        name, request = WorkerId(f"sender{index + 1}"), f"r{mind.request}"
        for shown in self._found(world, name, request):
            view = self.desk.view(world, shown)
            made, given = outbox.start(view, d.Start(worker=name, request=request))
            if not made and not given:
                continue
            after = self.desk.written(world, made)
            rows = {row.delivery.id: row for row in after.rows}
            for one in given:
                _require_given(one, rows[one.delivery], world)
            holds = tuple(Holding(delivery=one.delivery, token=one.token) for one in given)
            if not given:
                yield Move(f"sender {index + 1} finds nothing to send now", after)
                continue
            what = ", ".join(_short(one) for one in holds)
            took = _with(after, index, mind._replace(holds=holds))
            yield Move(f"sender {index + 1} takes {what}", took)
            yield Move(f"sender {index + 1} takes {what}, unheard", after, Mishap.UNHEARD, False)

    def _found(self, world: World, name: str, request: str) -> Iterator[Sequence[Row]]:
        """What a store may show: of what is due any one, or all; and who is in front of them."""
        held = [row for row in world.rows if _holder(row) == (name, request)]
        if held:
            yield self._with_heads(world, held)
            return
        if HOOK not in outbox.sendable({HOOK: world.subscription}, world.seal):
            return
        due = [row for row in world.rows if row.remind is not None and row.remind <= NOW]
        for row in due:
            yield self._with_heads(world, [row])
        if len(due) > 1:
            yield self._with_heads(world, due)

    def _with_heads(self, world: World, rows: Sequence[Row]) -> Sequence[Row]:
        if not world.subscription.ordered:
            return rows
        heads: dict[str, Row] = {}
        for row in world.rows:
            one = row.delivery
            if one.open and (
                one.subject not in heads or one.number < heads[one.subject].delivery.number
            ):
                heads[one.subject] = row
        found = {row.delivery.id: row for row in (*rows, *heads.values())}
        return tuple(found.values())

    def _go_on(self, world: World, index: int, holding: Holding) -> Iterator[Move]:
        who, what = f"sender {index + 1}", _short(holding)
        if holding.said:
            yield from self._report(world, index, holding)
            return
        for said, price in ANSWERS.items():
            sent = _held(world, index, holding, replace(holding, said=said))
            yield Move(f"{who} sends {what} and hears {said}", sent, price, price is None)
        released = self._told(world, holding, d.Release(token=holding.token))
        back = _held(released, index, holding, None)
        yield Move(f"{who} gives {what} back", back, Mishap.RELEASE, fair=False)

    def _report(self, world: World, index: int, holding: Holding) -> Iterator[Move]:
        attempt = SAID[holding.said]
        after = self._told(world, holding, d.Report(token=holding.token, attempt=attempt))
        name = f"sender {index + 1} reports {holding.said} of {_short(holding)}"
        yield Move(name, _held(after, index, holding, None))
        if after != world:
            yield Move(f"{name}, unheard", after, Mishap.UNHEARD, fair=False)

    def _told(self, world: World, holding: Holding, command: d.Report | d.Release) -> World:
        """The world after a sender has said what came of it."""
        row = next((one for one in world.rows if one.delivery.id == holding.delivery), None)
        shown = [] if row is None else [row, *self._behind(world, row)]
        view = self.desk.view(world, shown)
        try:
            made, answer = outbox.report(view, holding.delivery, command)
        except Rejected:
            require(row is None, "S25", "a sender that was given it is refused")
            return world
        assert row is not None
        after = self.desk.written(world, made)
        _require_heard(world, after, row, command, lost=isinstance(answer, LeaseLost))
        return after

    def _behind(self, world: World, row: Row) -> Sequence[Row]:
        """Of an ordered subscription the next open one of the same subject."""
        ours = row.delivery
        if not world.subscription.ordered:
            return ()
        others = (one for one in world.rows if one.delivery.open and one is not row)
        same = (one for one in others if one.delivery.subject == ours.subject)
        return sorted(same, key=lambda one: one.delivery.number)[:1]


def _require_given(one: outbox.Dispatch, row: Row, world: World) -> None:
    require(not world.seal.closed, "S15", "given out under the seal")
    require(not row.ghost.over, "S15", "given out although it is over")
    require(one.token == row.ghost.token, "S3", "given under another token than was recorded")
    digest = row.delivery.body.digest
    same = one.body == row.body and digest == row.ghost.body
    require(same, "S15", "another body than at first")


def _require_heard(
    world: World, after: World, row: Row, command: d.Report | d.Release, *, lost: bool
) -> None:
    """What a sender says counts if it holds the delivery, and else changes nothing."""
    ghost, token = row.ghost, command.token
    left = next(one for one in after.rows if one.delivery.id == row.delivery.id)
    holder = token == ghost.token and ghost.until is not None
    if token in ghost.heard:
        require(after == world, "S25", "a repeated report changes something")
        require(not lost, "S25", "a repeated report is refused")
    elif not holder:
        same = left.delivery.state == row.delivery.state and left.ghost.burned == ghost.burned
        require(same, "S4", "a sender counts that holds it no more")
        require(lost, "S4", "a sender is told that it counts, and it does not")
    elif isinstance(command, d.Report):
        require(not lost, "S4", "the sender that holds it is not believed")
        ours = row.delivery.belongs(world.subscription)
        taken = command.attempt == SAID["yes"]
        require(left.ghost.over or not taken, "L4", "it was delivered, and is not recorded so")
        dropped = after.subscription.disabled_at is not None
        is_gone = command.attempt == SAID["gone"]
        require(dropped or not (is_gone and ours), "L4", "the receiver is gone, and is sent more")
    looked_at = left.remind is not None
    require(looked_at or left.ghost.over, "L4", "it is open, and nobody looks at it again")


def _holder(row: Row) -> tuple[str, str] | None:
    state = row.delivery.state
    return (state.worker, state.request) if isinstance(state, d.Sending) else None


def _short(holding: Holding) -> str:
    return f"…{holding.delivery[-4:]} under {holding.token}"


def _with(world: World, index: int, mind: Mind) -> World:
    minds = (*world.minds[:index], mind, *world.minds[index + 1 :])
    return world._replace(minds=minds)


def _held(world: World, index: int, old: Holding, new: Holding | None) -> World:
    mind = world.minds[index]
    left = tuple(new if one == old else one for one in mind.holds)
    return _with(world, index, mind._replace(holds=tuple(one for one in left if one is not None)))
