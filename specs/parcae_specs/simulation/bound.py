"""Within what time everything ends once nothing goes wrong any more (L8): pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from attrs import evolve, frozen

from parcae.retry import delay
from parcae.spec import Retry, Spec

NONE = timedelta(0)


@frozen(kw_only=True)
class Pace:
    """How fast the world is in which the jobs are worked off.

    Attributes:
        slots: how many jobs all workers together run at once.
        notice: until somebody who waits for work has claimed what is offered.
        settle: until what has fallen due is reconciled.
        told: until a worker hears that a lease of its own is no more, beyond a renewal interval.
        longest: after which a handler has returned, whatever it is asked to do.
        answer: to one question to the store.
        late: until what was sent before has arrived.
        ahead: how far in the future instants may lie because the clock went back.
    """

    slots: int
    notice: timedelta
    settle: timedelta
    told: timedelta
    longest: timedelta
    answer: timedelta
    late: timedelta = NONE
    ahead: timedelta = NONE


def bound(specs: Sequence[Spec], pace: Pace) -> timedelta:
    """The time within which jobs of these specs have ended, wherever they stand now.

    A job that has not ended works, or waits for its time, or for somebody to notice it, or for
    others who hold every slot: the last no longer than all of them work, shared by the slots.
    """
    if not specs:
        return NONE
    alone = max(_waits(spec, pace) + occupies(spec, pace) for spec in specs)
    shared = sum((occupies(spec, pace) for spec in specs), NONE) / pace.slots
    # Every slot may be busy at first with a handler whose lease is long gone.
    return pace.late + pace.ahead + pace.longest + pace.told + alone + shared


def occupies(spec: Spec, pace: Pace) -> timedelta:
    """For how long a job can hold slots of workers, in all: its work, forth and back."""
    timing = spec.timing
    # Past its timeout it lasts until its worker has heard of that, or the handler has returned.
    beyond = max(pace.settle + timing.renewal + pace.told, pace.longest)
    asks = pace.answer * (3 * len(spec.phases) + 3)
    forth = _starts(spec) * (timing.attempt + beyond + asks)
    back = sum((retry.max_attempts * (timing.undo + beyond + asks) for retry in _undos(spec)), NONE)
    return forth + back


def _waits(spec: Spec, pace: Pace) -> timedelta:
    """For how long it can stand in line for its time, or unnoticed, in all."""
    timing = spec.timing
    lost = timing.lease + pace.settle
    forth = _starts(spec) * (lost + pace.notice) + _backoff(spec.retry)
    back = sum(
        (retry.max_attempts * (lost + pace.notice) + _backoff(retry) for retry in _undos(spec)),
        NONE,
    )
    return forth + back


def _starts(spec: Spec) -> int:
    """Each start burns an attempt, or a result that came late has brought it on by a phase."""
    return spec.retry.max_attempts + len(spec.phases)


def _backoff(retry: Retry) -> timedelta:
    steady = evolve(retry, jitter=0)
    return sum((delay(steady, burned) for burned in range(1, retry.max_attempts)), NONE)


def _undos(spec: Spec) -> Iterable[Retry]:
    return (phase.undo.retry for phase in spec.phases if phase.undo is not None)
