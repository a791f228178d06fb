"""What happens around senders: events, operators, retention, time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from parcae import deliveries as d
from parcae import outbox
from parcae import subscriptions as n
from parcae.change import Revision
from parcae.cloudevents import about
from parcae.errors import Rejected
from parcae.values import StreamId, seconds
from parcae_specs.explorer.outgoing.desk import HOOK, Desk, Made
from parcae_specs.explorer.outgoing.events import script
from parcae_specs.explorer.outgoing.model import Mishap
from parcae_specs.explorer.outgoing.senders import Move
from parcae_specs.explorer.outgoing.shorten import NOW
from parcae_specs.explorer.outgoing.watch import require
from parcae_specs.explorer.outgoing.world import Row, World

STEP = seconds(90)
"""By so much a clock is set back: more than a lease."""


class Hosts:
    """All moves that are nobody's who sends."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.script = script()

    def moves(self, world: World) -> Iterator[Move]:
        """What may happen."""
        yield from self._event(world)
        yield from self._operators(world)
        yield from self._subscription(world)
        yield from self._sweep(world)
        yield from self._clock(world)

    def _event(self, world: World) -> Iterator[Move]:
        if world.happened == self.desk.model.events:
            return
        jobs, made = self.script[world.happened]
        stored = outbox.complete(self.desk.view(world, jobs=dict(jobs)), made)
        self._require_owed(world, made, stored)
        after = self.desk.written(world, stored)
        was = {row.delivery.id for row in world.rows}
        left = {row.delivery.id for row in after.rows}
        require(was <= left, "S22", "a delivery goes with its job")
        name = ("a job is admitted", "the job is cancelled", "the job is deleted")[world.happened]
        yield Move(name, after._replace(happened=world.happened + 1))

    def _require_owed(self, world: World, made: Made, stored: Made) -> None:
        """S14: each event that is wanted has exactly one delivery, in this very commit."""
        to = world.subscription
        wanted: list[tuple[StreamId, int]] = []
        for one in made if to.version and not to.removed else ():
            stream = one.stream if isinstance(one, Revision) else StreamId(one.job_id)
            for version, event in enumerate(one.events, one.before + 1):
                found = about(stream, event, None)
                if found is not None and (not to.filter.types or found.tag in to.filter.types):
                    wanted.append((stream, version))
        events = [event for one in stored if isinstance(one, Revision) for event in one.events]
        owed = [(one.subject, one.number) for one in events if isinstance(one, d.DeliveryOwed)]
        require(sorted(owed) == sorted(wanted), "S14", f"owed is {owed}, not {wanted}")

    def _operators(self, world: World) -> Iterator[Move]:
        for row in world.rows:
            view = self.desk.view(world, [row])
            try:
                made = outbox.replay(view, row.delivery.id)
            except Rejected:
                continue
            name = f"…{row.delivery.id[-4:]} is replayed"
            yield Move(name, self.desk.written(world, made), Mishap.REPLAY, fair=False)
        close = not world.seal.closed
        made = outbox.set_seal(self.desk.view(world), close=close)
        price = Mishap.SEAL if close else None
        name = "the store is sealed" if close else "the store is unsealed"
        yield Move(name, self.desk.written(world, made), price, fair=False)

    def _subscription(self, world: World) -> Iterator[Move]:
        to = world.subscription
        if to.removed:
            yield self._set(world, self.desk.model.subscription, Mishap.AGAIN)
            made = outbox.give_up(self.desk.view(world, world.rows))
            if made:
                after = self.desk.written(world, made)
                yield Move("what is left is given up", after, fair=False)
        elif to.disabled_at is None:
            yield self._set(world, n.Disable(), Mishap.TOGGLE)
            yield self._set(world, n.Unsubscribe(), Mishap.REMOVE)
        else:
            yield self._set(world, n.Enable(), None)

    def _set(self, world: World, command: n.SubscriptionCommand, price: Mishap | None) -> Move:
        made = outbox.configure(self.desk.view(world), HOOK, command)
        name = f"the subscription: {type(command).__name__}"
        return Move(name, self.desk.written(world, made), price, fair=False)

    def _sweep(self, world: World) -> Iterator[Move]:
        kept = self.desk.model.kept
        over = [row for row in world.rows if _deletable(row, kept)]
        made = outbox.sweep(self.desk.view(world, over), delivered=kept, dead=kept)
        if made:
            yield Move("retention deletes deliveries", self.desk.written(world, made))

    def _clock(self, world: World) -> Iterator[Move]:
        by = min((at for at in self._ahead(world) if at > timedelta(0)), default=None)
        if by is not None:
            late = _asleep(world, by)
            after = self.desk.now_again(world, by)
            price = Mishap.LATE if late else None
            yield Move(f"{by} pass", after, price, fair=not late)
        back = self.desk.now_again(world, -STEP)
        if back != world:
            yield Move(f"the clock is set back by {STEP}", back, Mishap.BACK, fair=False)

    def _ahead(self, world: World) -> Iterator[timedelta]:
        """How far away everything is that depends on the time."""
        for row in world.rows:
            ghost = row.ghost
            if row.remind is not None:
                yield row.remind - NOW
            due = d.due_at(row.delivery)
            if due is not None:
                yield due - NOW
            if ghost.ended_at is not None:
                yield ghost.ended_at + self.desk.model.kept - NOW


def _deletable(row: Row, kept: timedelta) -> bool:
    ended = row.delivery.ended_at
    return ended is not None and ended <= NOW - kept


def _asleep(world: World, by: timedelta) -> bool:
    """Whether somebody who holds a lease would sleep past its end."""
    held = {(one.delivery, one.token) for mind in world.minds for one in mind.holds}
    return any(
        (row.delivery.id, row.ghost.token) in held
        and row.ghost.until is not None
        and NOW < row.ghost.until <= NOW + by
        for row in world.rows
    )
