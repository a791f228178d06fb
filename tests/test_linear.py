"""The history checker: it passes what really happened, and no forgery (S4, S16–S18, S23–S27)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve as replace

from parcae.change import AnyEvent
from parcae.ports import Recorded
from parcae.values import JobId, Place, Position, Version
from parcae_adapters.memory import MemoryStore
from parcae_specs.linear.check import check
from parcae_specs.linear.history import Ended, History, Intent, Operation, Wrong
from parcae_specs.linear.record import record_here


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    folder = tmp_path_factory.mktemp("history")
    return asyncio.run(record_here([MemoryStore()], folder, calls=1_500, seed=1))


def test_s26_what_clients_did_to_the_reference_is_strictly_serialisable(history: History) -> None:
    verdict = check(history)
    assert verdict.operations >= 1_500
    assert set(verdict.asked) >= {"submit", "claim", "start", "done", "fail", "cancel", "read"}


# -- forgeries: each is one small lie, and is rejected for it --------------------------------------


def _writer(history: History, events: int, what: str = "") -> Operation:
    """An operation that wrote so many events, well inside the history."""
    fitting = [
        one
        for one in history.operations
        if one.ended is Ended.DONE
        and len(one.names) == events
        and one.ask is not None
        and what in one.ask.what
    ]
    fitting.sort(key=lambda one: one.position or 0)
    return fitting[len(fitting) // 2]


def _last(history: History) -> Operation:
    return max((one for one in history.operations if one.names), key=lambda one: one.position or 0)


def _with(history: History, old: Operation, new: Operation) -> History:
    changed = tuple(new if one is old else one for one in history.operations)
    return replace(history, operations=changed)


def _log(history: History, change: Callable[[list[Recorded[AnyEvent]]], object]) -> History:
    """Another log, of which nothing was ever deleted."""
    log = list(history.followed)
    change(log)
    return replace(history, followed=log, log=())


def _at(history: History, one: Operation) -> int:
    position = one.position
    return next(i for i, entry in enumerate(history.followed) if entry.position == position)


def _lost(history: History) -> History:
    lost = len(_last(history).names)
    return _log(history, lambda log: log.__delitem__(slice(len(log) - lost, None)))


def _doubly_acknowledged(history: History) -> History:
    one = _writer(history, 1)
    return replace(history, operations=(*history.operations, replace(one, name="twin")))


def _refused_but_done(history: History) -> History:
    one = _writer(history, 1)
    return _with(history, one, replace(one, ended=Ended.REFUSED, position=None))


def _done_twice(history: History) -> History:
    last = history.followed[-1]
    again = replace(last, position=Position(last.position + 1), version=Version(last.version + 1))
    return _log(history, lambda log: log.append(again))


def _told_another_position(history: History) -> History:
    one = _writer(history, 1)
    assert one.position is not None
    return _with(history, one, replace(one, position=Position(one.position + 1)))


def _torn(history: History) -> History:
    """The second event of a submission changes places with what came after it."""
    index = _at(history, _writer(history, 2, "submit"))

    def swap(log: list[Recorded[AnyEvent]]) -> None:
        here, there = log[index].position, log[index + 1].position
        log[index], log[index + 1] = (
            replace(log[index + 1], position=here),
            replace(log[index], position=there),
        )

    return _log(history, swap)


def _half_of_an_unknown(history: History) -> History:
    submission = _writer(history, 2, "submit")
    job = submission.intents[0].job
    first = next(one for one in history.followed if JobId(one.stream) == job)
    kept = [one for one in history.followed if one.position <= first.position]
    known = {(JobId(one.stream), int(one.version)) for one in kept}
    operations = tuple(
        replace(one, ended=Ended.UNKNOWN, position=None, answered=None)
        if one is submission
        else one
        for one in history.operations
        if one is submission or not one.names or set(one.names) <= known
    )
    return replace(history, followed=kept, log=(), operations=operations)


def _answered_too_early(history: History) -> History:
    """It is called after everybody was answered, but stands in the middle."""
    one = _writer(history, 1)
    end = max(other.answered or 0 for other in history.operations)
    return _with(history, one, replace(one, called=end + 1, answered=end + 2))


def _stale_read(history: History) -> History:
    end = max(other.answered or 0 for other in history.operations)
    job = next(JobId(one.stream) for one in reversed(history.followed) if one.version > 2)
    stale = Operation(
        name="stale",
        ask=None,
        called=end + 1,
        answered=end + 2,
        ended=Ended.READ,
        versions={job: 1},
    )
    return replace(history, operations=(*history.operations, stale))


def _stale_view(history: History) -> History:
    """A refused command was shown a job as it had been long before."""
    late = _stale_read(history)
    stale = late.operations[-1]
    some = _writer(history, 1).run
    assert some is not None
    run = replace(some, versions=stale.versions, intents=())
    refused = replace(stale, ended=Ended.REFUSED, run=run, versions={})
    return replace(history, operations=(*history.operations, refused))


def _dirty_read(history: History) -> History:
    stale = _stale_read(history).operations[-1]
    job = next(iter(stale.versions))
    dirty = replace(stale, versions={job: 999})
    return replace(history, operations=(*history.operations, dirty))


def _place_twice(history: History) -> History:
    one = _writer(history, 2, "submit")
    assert one.run is not None
    return _with(history, one, replace(one, run=replace(one.run, place=Place(one.run.place - 1))))


def _empty_claim(history: History) -> History:
    """A claim found nothing, though the next one, a moment later, was granted a job."""
    granted = _writer(history, 1, "claim")
    assert granted.run is not None
    assert granted.ask is not None
    assert granted.position is not None
    before = history.followed[_at(history, granted) - 1].position
    empty = replace(
        granted,
        name="empty",
        ask=replace(granted.ask, text="another request"),
        position=before,
        run=replace(granted.run, versions={}, intents=()),
    )
    return replace(history, operations=(*history.operations, empty))


def _lost_update(history: History) -> History:
    """Two were shown the same version, and both were acknowledged."""
    one = _writer(history, 1)
    assert one.run is not None
    (intent,) = one.intents
    twin = replace(
        one,
        name="twin",
        run=replace(one.run, intents=(Intent(intent.job, intent.before, 1),)),
    )
    return replace(history, operations=(*history.operations, twin))


def _skipped(history: History) -> History:
    """Who followed the log missed the end of some job, which is in the log all the same."""
    entry = next(
        one
        for one in history.followed
        if one
        == max(
            (other for other in history.followed if JobId(other.stream) == JobId(one.stream)),
            key=lambda other: other.version,
        )
    )
    followed = [one for one in history.followed if one is not entry]
    return replace(history, followed=followed, log=[entry])


def _other_event(history: History) -> History:
    index = _at(history, _writer(history, 1, "note"))

    def change(log: list[Recorded[AnyEvent]]) -> None:
        event: Any = log[index].event
        log[index] = replace(log[index], event=replace(event, note="something else"))

    return _log(history, change)


def _other_row(history: History) -> History:
    first, *rest = history.rows
    other = replace(first, job=replace(first.job, attempts=first.job.attempts + 1))
    return replace(history, rows=(other, *rest))


FORGERIES: dict[Callable[[History], History], tuple[str, str]] = {
    _lost: ("S27", "was acknowledged, but"),
    _doubly_acknowledged: ("S4", "were both acknowledged"),
    _lost_update: ("S4", "were both acknowledged"),
    _refused_but_done: ("S18", "nobody is known to have done"),
    _done_twice: ("S18", "nobody is known to have done"),
    _told_another_position: ("S16", "was told position"),
    _skipped: ("S16", "never saw position"),
    _torn: ("S23", "stand those of others"),
    _half_of_an_unknown: ("S23", "left only 1 of 2 events"),
    _dirty_read: ("S23", "which never was"),
    _answered_too_early: ("S26", "before it was called"),
    _stale_read: ("S26", "before it was called"),
    _stale_view: ("S26", "before it was called"),
    _place_twice: ("S7", "was given place"),
    _empty_claim: ("S26", "in its turn there is"),
    _other_event: ("S26", "wrote other events"),
    _other_row: ("S5", "expected"),
}


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__.strip("_"))
def test_a_forged_history_is_rejected_for_what_is_wrong_with_it(
    history: History, forge: Callable[[History], History]
) -> None:
    guarantee, message = FORGERIES[forge]
    with pytest.raises(Wrong, match=message) as caught:
        check(forge(history))
    assert caught.value.guarantee == guarantee, caught.value


def test_s25_an_unknown_operation_may_have_happened_once_or_not_at_all(history: History) -> None:
    came = _writer(history, 1)
    unheard = replace(came, ended=Ended.UNKNOWN, position=None, answered=None)
    never = replace(unheard, name="never")
    assert never.run is not None
    never = replace(never, run=replace(never.run, at=never.run.at - 1))
    lost = _with(history, came, unheard)
    verdict = check(replace(lost, operations=(*lost.operations, never)))
    assert verdict.ended[Ended.UNKNOWN] == 2
    assert verdict.came == 1
