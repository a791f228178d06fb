"""The soak of the wire, in short: a real server, workers and a receiver, really killed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from attrs import evolve as replace

from parcae import deliveries as d
from parcae.filters import Filter
from parcae.values import Position
from parcae_specs.soak.wire.audit import ENDS, Debt, Evidence, machine_time, wrong
from parcae_specs.soak.wire.receiver import Receipt
from parcae_specs.soak.wire.run import BATCH, SUBSCRIBED, Soaked, soak

KILLS = 5
NOTHING = Filter(types=("group-ended",))


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> tuple[Soaked, Evidence]:
    """What one soak left behind."""
    folder = tmp_path_factory.mktemp("wire")
    return asyncio.run(soak(folder, kills=KILLS, seed=5, pace=0.3))


def test_given_kills_at_both_ends_of_the_wire_then_nothing_is_lost_and_all_of_it_ends(
    left: tuple[Soaked, Evidence],
) -> None:
    """S1, S5, S14, S15, S16, S17, S27, L1, L4: held against the log, the file of the receiver and
    what the readers heard."""
    soaked, found = left
    assert list(soaked.wrong) == []
    assert soaked.kills["server"] >= 2
    assert soaked.kills["receiver"] >= 1
    assert soaked.jobs == sum(soaked.by_status.values()) == KILLS * BATCH
    assert set(soaked.by_status) == {"completed", "compensated"}
    assert soaked.tries >= soaked.deliveries >= 3 * soaked.jobs
    assert {debt.owed[0] for debt in found.debts} == set(SUBSCRIBED)
    assert soaked.connections > len(found.heard), "nobody had to come again"


Tamper = Callable[[Evidence], Evidence]


def _receipts(found: Evidence, change: Callable[[Receipt], Receipt]) -> Evidence:
    first, *others = found.receipts
    return replace(found, receipts=[change(first), *others])


def _reading(found: Evidence, change: Callable[[list[tuple[int, str, str]]], object]) -> Evidence:
    (wanted, got), *others = found.heard
    changed = list(got)
    change(changed)
    return replace(found, heard=[(wanted, changed), *others])


def _debt(found: Evidence, change: Callable[[Debt], Debt]) -> Evidence:
    first, *others = found.debts
    return replace(found, debts=[change(first), *others])


def _begun_at_once(found: Evidence) -> Evidence:
    """Whatever is owed in order was begun at the very beginning."""

    def early(debt: Debt) -> Debt:
        places = [
            replace(one, position=Position(0)) if isinstance(one.event, d.DeliveryStarted) else one
            for one in debt.events
        ]
        return replace(debt, events=places)

    return replace(found, debts=[early(one) for one in found.debts])


TAMPERED: dict[str, tuple[str, Tamper]] = {
    "a key is two jobs": (
        "S17: ",
        lambda found: replace(
            found, acked={key: [*ids, "other"] for key, ids in found.acked.items()}
        ),
    ),
    "a job is gone": (
        "and is not there",
        lambda found: replace(found, acked={**found.acked, "one more": ["gone"]}),
    ),
    "a job is nobody's": (
        "is nobody's",
        lambda found: replace(found, acked=dict(list(found.acked.items())[1:])),
    ),
    "no job has ended": (
        "has 0 ends",
        lambda found: replace(
            found, log=[one for one in found.log if not isinstance(one.event, ENDS)]
        ),
    ),
    "nothing is owed for an event": (
        "is owed 0 times",
        lambda found: replace(found, debts=found.debts[:-1]),
    ),
    "twice for one": (
        "is owed 2 times",
        lambda found: replace(found, debts=[*found.debts, found.debts[0]]),
    ),
    "for one that nobody asked for": (
        "is owed for nothing",
        lambda found: replace(
            found,
            wanted={name: replace(one, filter=NOTHING) for name, one in SUBSCRIBED.items()},
        ),
    ),
    "one is not delivered": (
        "is not delivered",
        lambda found: _debt(found, lambda one: replace(one, events=one.events[:1])),
    ),
    "nobody has it": (
        "nobody has taken it",
        lambda found: replace(found, receipts=found.receipts[-1:]),
    ),
    "another body": (
        "with another body",
        lambda found: _receipts(found, lambda one: replace(one, body=one.body + b" ")),
    ),
    "the body of another event": (
        "does not tell of",
        lambda found: _debt(found, lambda one: replace(one, body=b'{"id": "x/1"}')),
    ),
    "a wrong signature": (
        "it is not signed",
        lambda found: _receipts(found, lambda one: replace(one, signature="v1,AAAA")),
    ),
    "sent and never owed": (
        "and never owed",
        lambda found: _receipts(found, lambda one: replace(one, id="x")),
    ),
    "sent more often than begun": (
        "it came ",
        lambda found: replace(found, receipts=[*found.receipts, *(10 * [found.receipts[0]])]),
    ),
    "sent after it was delivered": (
        "and recorded as delivered at",
        lambda found: _receipts(found, lambda one: replace(one, signed=one.signed + 3_600)),
    ),
    "begun out of order": ("it was begun before", _begun_at_once),
    "an event is missing": ("S16: ", lambda found: _reading(found, lambda got: got.pop(3))),
    "an event comes twice": (
        "S16: ",
        lambda found: _reading(found, lambda got: got.append(got[-1])),
    ),
    "events out of order": ("S16: ", lambda found: _reading(found, list.reverse)),
    "a reset": ("S16: ", lambda found: replace(found, resets=["{}"])),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_given_something_that_should_not_have_been_then_the_soak_says_so(
    left: tuple[Soaked, Evidence], name: str
) -> None:
    """The control: without it the test above could not fail."""
    expected, tamper = TAMPERED[name]
    said = wrong(tamper(left[1]))
    assert any(expected in one for one in said), said[:5]


def test_the_time_of_a_server_that_is_ahead_is_told_by_when_it_was_started() -> None:
    lives = [(100.0, 0.0), (110.0, 70.0), (120.0, 70.0)]
    assert machine_time(105.0, lives) == 105.0
    assert machine_time(185.0, lives) == 115.0
    assert machine_time(195.0, lives) == 125.0
