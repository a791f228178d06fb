"""What a store does for a rule: show it a world, and write down what it made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from attrs import evolve as replace

from parcae import deliveries as d
from parcae import seal as seals
from parcae.change import AggregateEvent, Change, Revision, View
from parcae.outbox import BODY
from parcae.seal import Seal
from parcae.state import Stored
from parcae.subscriptions import Subscription
from parcae.values import JobId, Place, StreamId
from parcae_specs.explorer.outgoing.model import Outgoing
from parcae_specs.explorer.outgoing.shorten import NOW, shifted
from parcae_specs.explorer.outgoing.watch import gone, require, watch
from parcae_specs.explorer.outgoing.world import Ghost, Row, World

HOOK = "hook"
Made = Sequence[Change | Revision]


class Desk:
    """Shows and writes; ``seen`` says what has been reached."""

    def __init__(self, model: Outgoing) -> None:
        self.model = model
        self.seen: set[str] = set()

    def view(
        self, world: World, rows: Iterable[Row] = (), jobs: dict[JobId, Stored] | None = None
    ) -> View:
        """What a rule is shown: all subscriptions, the seal, and these deliveries."""
        shown = {row.delivery.id: row for row in rows}
        there = world.subscription.version > 0
        return View(
            now=NOW,
            place=Place(2),
            seed=7,
            jobs=jobs or {},
            subscriptions={HOOK: world.subscription} if there else {},
            seal=world.seal,
            deliveries={name: row.delivery for name, row in shown.items()},
            blobs={(JobId(name), BODY): row.body for name, row in shown.items()},
        )

    def written(self, world: World, made: Made) -> World:
        """The world after a commit.

        Raises:
            Broken: something in it must not have happened.
        """
        rows = {row.delivery.id: row for row in world.rows}
        after = world
        for one in made:
            if isinstance(one, Change):
                continue
            self._note(one.events)
            if isinstance(one.after, Subscription):
                after = after._replace(subscription=one.after)
            elif isinstance(one.after, Seal):
                after = after._replace(seal=one.after)
            elif one.stream.startswith(d.state.PREFIX):
                self._write(rows, one, world)
        ordered = tuple(rows[name] for name in sorted(rows))
        return self.now_again(after._replace(rows=ordered))

    def now_again(self, world: World, by: timedelta = timedelta(0)) -> World:
        """The world by its shortest name, ``by`` later."""
        return shifted(world, by, self.model.kept)

    def _write(self, rows: dict[StreamId, Row], one: Revision, world: World) -> None:
        events = [event for event in one.events if isinstance(event, d.DeliveryEvent)]
        before = rows.pop(one.stream, None)
        if before is None:
            assert isinstance(one.after, d.Delivery)
            ((_, body),) = one.blobs
            ghost = Ghost(body=one.after.body.digest, life=world.subscription.life)
            rows[one.stream] = Row(delivery=one.after, remind=one.remind, body=body, ghost=ghost)
        elif isinstance(one.after, d.Delivery):
            ghost = watch(before, events, world, NOW)
            rows[one.stream] = replace(before, delivery=one.after, remind=one.remind, ghost=ghost)
            same = before.delivery.body == one.after.body
            require(same, "S15", "another body")
            if not events:
                self.seen.add("waits for the one in front")
        else:
            gone(before, NOW, self.model.kept)

    def _note(self, events: Iterable[AggregateEvent]) -> None:
        for event in events:
            match event:
                case d.DeliveryDied():
                    self.seen.add(f"dead: {event.cause}")
                case seals.Sealed():
                    self.seen.add("sealed")
                case _:
                    self.seen.add(_words(type(event).__name__))


def _words(name: str) -> str:
    """``DeliveryLost``: lost."""
    return name.removeprefix("Delivery").removeprefix("Subscription").lower()
