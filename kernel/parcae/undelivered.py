"""What is stuck on its way to subscribers: dead, withheld, disabled, or sent by nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from attrs import frozen

from parcae.circuit import LONGEST_WAIT
from parcae.deliveries import Standing
from parcae.phrases import at, span
from parcae.ports import Named, Store
from parcae.subscriptions import Subscription
from parcae.values import minutes

UNSENT = LONGEST_WAIT + minutes(5)
"""For so long a delivery may be due before one wonders: an endpoint may be left alone meanwhile."""

Tally = Mapping[tuple[str, Standing], int]


@frozen(kw_only=True)
class Stuck:
    """Deliveries that do not get on.

    Attributes:
        rule: its short name.
        unhealthy: it will not mend by itself.
        message: what it is.
        command: what helps.
    """

    rule: str
    unhealthy: bool
    message: str
    command: str


async def undelivered(store: Store) -> Sequence[Stuck]:
    """Look for whatever keeps deliveries from those to whom they are owed."""
    view, tally = await store.look(Named()), await store.tally()
    if not tally:
        return ()
    found = [*_dead(tally, view.subscriptions), *_disabled(tally, view.subscriptions)]
    owed = sum(number for (_, stage), number in tally.items() if stage is Standing.PENDING)
    if view.seal.since is not None and owed:
        message = f"sealed since {at(view.seal.since)}: {several(owed)} withheld"
        found.append(
            Stuck(rule="sealed", unhealthy=False, message=message, command="parcae unseal")
        )
    due = await store.next_delivery()
    late = timedelta(0) if due is None else view.now - due
    if late > UNSENT:
        message = f"a delivery has been due for {span(late)}, and nobody sends it"
        found.append(
            Stuck(rule="unsent", unhealthy=True, message=message, command="parcae dispatch")
        )
    return tuple(found)


def several(number: int) -> str:
    """``1 delivery``, ``2 deliveries``."""
    return f"{number} {'delivery' if number == 1 else 'deliveries'}"


def _dead(tally: Tally, subscriptions: Mapping[str, Subscription]) -> Iterator[Stuck]:
    for (name, stage), number in sorted(tally.items()):
        one = subscriptions.get(name)
        if stage is Standing.DEAD and number and one is not None and not one.removed:
            message = f"{several(number)} to {name} given up, and kept: nobody tries any more"
            command = f"parcae webhook replay --to {name} --dry-run"
            yield Stuck(rule="dead", unhealthy=True, message=message, command=command)


def _disabled(tally: Tally, subscriptions: Mapping[str, Subscription]) -> Iterator[Stuck]:
    for name, one in sorted(subscriptions.items()):
        if one.disabled_at is None or one.removed:
            continue
        owed = tally.get((name, Standing.PENDING), 0)
        why = "its receiver said that it is gone" if one.gone else "somebody has disabled it"
        message = (
            f"nothing is sent to {name} since {at(one.disabled_at)}: {why}; {several(owed)} owed"
        )
        command = f"parcae webhook enable {name}"
        yield Stuck(rule="disabled", unhealthy=one.gone, message=message, command=command)
