"""The book of what is under way: no bound is ever exceeded, and nothing is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from parcae.deliveries import Attempt
from parcae.filters import Filter
from parcae.outbox import Dispatch
from parcae.subscriptions import Subscription
from parcae.values import StreamId, Token, Version, minutes, seconds
from parcae_adapters.http.dispatcher.lanes import AHEAD, Lanes, Taken

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NAMES = ("a", "b", "c")

steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.sampled_from(NAMES), st.integers(1, 9)),
        st.tuples(st.just("end"), st.integers(0, 50), st.sampled_from([200, 500, 410, None])),
        st.tuples(st.just("drop"), st.sampled_from([*NAMES, None]), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 400), st.just(0)),
    ),
    max_size=80,
)


def taken(name: str, number: int) -> Taken:
    to = Subscription(name=name, version=Version(1), url="https://hooks.example/", filter=Filter())
    one = Dispatch(
        delivery=StreamId(f"delivery/{number}"),
        token=Token(1),
        until=NOW,
        subscription=to,
        body=b"",
        tries=0,
    )
    return Taken(dispatch=one, begin=NOW, until=NOW)


class Played:
    """Lanes, and beside them what is really under way, and what really waits."""

    def __init__(self, concurrency: int, each: int) -> None:
        self.lanes, self.now, self.number = Lanes(concurrency, each), NOW, 0
        self.busy: list[Taken] = []
        self.waiting = dict.fromkeys(NAMES, 0)

    def take(self, name: str, most: int) -> None:
        room = self.lanes.rooms(self.now).get(name, self.lanes.each)
        for _ in range(min(self.lanes.free, room, most)):
            self.number += 1
            self.waiting[name] += 1
            self.lanes.add(taken(name, self.number))

    def end(self, which: int, status: int | None) -> None:
        if self.busy:
            one = self.busy.pop(which % len(self.busy))
            name = one.dispatch.subscription.name
            attempt = None if status is None else Attempt(status=status)
            if self.lanes.end(name, attempt, self.now):
                self.drop(name, 0)

    def drop(self, name: str | None, _: int) -> None:
        for one in self.lanes.drop(name):
            self.waiting[one.dispatch.subscription.name] -= 1

    def wait(self, number: int, _: int) -> None:
        self.now += seconds(number)

    def begin(self) -> None:
        while (one := self.lanes.begin()) is not None:
            self.busy.append(one)
            self.waiting[one.dispatch.subscription.name] -= 1


@given(steps, st.integers(1, 6), st.integers(1, 6))
def test_given_whatever_happens_then_bounds_hold_and_whatever_may_begin_does(
    history: list[tuple[str, Any, Any]], concurrency: int, each: int
) -> None:
    played = Played(concurrency, each)
    for what, *more in history:
        getattr(played, what)(*more)
        played.begin()
        _hold(played.lanes, played.busy, played.waiting, concurrency, min(each, concurrency))
    now = played.now
    assert played.lanes.next_probe(now) is None or played.lanes.next_probe(now + minutes(5)) is None


def _hold(
    lanes: Lanes, busy: list[Taken], waiting: dict[str, int], concurrency: int, each: int
) -> None:
    under = [one.dispatch.subscription.name for one in busy]
    assert (lanes.busy, lanes.waiting) == (len(busy), sum(waiting.values()))
    assert len(busy) <= concurrency
    assert len(busy) + lanes.waiting <= (1 + AHEAD) * concurrency
    for name in NAMES:
        assert under.count(name) <= each
        # Nobody waits for a place that is free.
        assert not waiting[name] or len(busy) == concurrency or under.count(name) == each
