"""What must never change under a deployed system: waits, and what draws lots for them (S26)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from parcae import Context, Engine, Jobs, RetryMode
from parcae.retry import Again, after_attempt, after_undo, delay, worth_it
from parcae.spec import PhaseSpec, Retry, Timing, UndoSpec
from parcae.state import Compensating
from parcae.timing import check
from parcae.values import MAX_DURATION, Cause, Error, minutes, mix, seconds
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.testing import run_until_idle
from parcae_specs.story import (
    at,
    cancel,
    claim,
    confirm,
    done,
    error,
    given,
    start,
    submit,
    undo,
    undo_failed,
)

UNEVEN = Retry(
    max_attempts=9, backoff=timedelta(microseconds=777_777), cap=seconds(59.999_999), jitter=37
)
HUGE = Retry(
    backoff=MAX_DURATION - timedelta(microseconds=1),
    cap=MAX_DURATION - timedelta(microseconds=7),
    jitter=73,
)
TINY = Retry(backoff=timedelta(microseconds=7), factor=3, cap=seconds(1), jitter=50)


def total(policy: Retry) -> int:
    """All waits of a hundred jobs, in microseconds: whatever shifts one of them shifts this."""
    waits = (delay(policy, burned, seed) for burned in range(1, 8) for seed in range(100))
    return sum((wait // timedelta(microseconds=1) for wait in waits), 0)


def test_s26_the_waits_of_jobs_are_these() -> None:
    assert [total(one) for one in (UNEVEN, HUGE, TINY)] == [
        8_072_578_211,
        142_671_587_789_545_990,
        589_471,
    ]


def test_s26_a_wait_depends_on_the_job_and_an_undos_on_its_phase_too() -> None:
    job = given(submit("a", retry=UNEVEN, seed=5), claim()).job
    assert after_attempt(job, Cause.HANDLER_ERROR, error()) == Again(delay(UNEVEN, 1, 5))
    assert after_undo(UNEVEN, 2, None, 5, "a") == Again(delay(UNEVEN, 2, "undo", 5, "a"))


def test_s26_an_undo_waits_by_lots_of_its_own() -> None:
    phases = tuple(PhaseSpec(name=name, undo=UndoSpec(retry=UNEVEN)) for name in "ab")
    story = given(submit(phases=phases, seed=5), claim(), start("a"), done("a"), cancel())
    story.when(confirm(), claim("bob"), undo("a"), undo_failed("a"))
    state = story.job.state
    assert isinstance(state, Compensating)
    assert state.ready_at == at(0) + delay(UNEVEN, 1, "undo", 5, "a")


def test_what_is_given_up_on_may_lie_deep_in_a_package() -> None:
    assert not worth_it(Retry(give_up_on=("Out",)), Error(type="shop.stock.Out"))
    assert worth_it(Retry(give_up_on=("stock.Out",)), Error(type="shop.stock.Out"))


jobs = Jobs()


@jobs.job("small", retry=Retry(max_attempts=1))
def small(ctx: Context, text: str) -> None:
    raise ValueError(ctx.phase + text)


def test_s26_a_job_draws_its_lots_from_the_store_when_it_is_admitted() -> None:
    async def seeds() -> list[int]:
        drawn = iter(range(7, 99))
        engine = Engine(MemoryStore(clock=ManualClock(), entropy=lambda: next(drawn)))
        first = (await engine.submit(small("a"))).job_id
        await run_until_idle(engine, jobs)
        again = (await engine.retry(first, RetryMode.FROM_START)).job_id
        return [(await engine.show(job_id)).spec.seed for job_id in (first, again)]

    assert asyncio.run(seeds())[0] == mix("seed", 7)
    lots = {mix("seed", number) for number in range(8, 99)}
    assert asyncio.run(seeds())[1] in lots


def test_durations_that_do_not_fit_together_are_told_with_what_mends_them() -> None:
    timing = Timing(lease=seconds(30), renewal=seconds(20), attempt=minutes(1))
    found = check(timing, rerun=seconds(70), drain=seconds(41), uninterruptible=True)
    assert [(one.rule, one.error) for one in found] == [
        ("renewal", True),
        ("rerun", True),
        ("drain", True),
    ]
    assert [one.message for one in found] == [
        "renewal every 0:00:20, but the lease lasts only 0:00:30: "
        "one or two lost renewals lose the job",
        "an attempt may last 0:01:00 (and 0:00:10 of margin), but the work is run again after "
        "0:01:10: it would run twice at once",
        "a stopping worker waits 0:00:41, but an attempt may last 0:01:00: it would be cut off",
    ]
    assert found[0].fix == "renewal=0:00:10 or lease=0:01:00"
    (drain,) = check(Timing(attempt=minutes(1)), drain=seconds(41))
    assert drain.message.endswith(": the rest is released")
    assert check(Timing(attempt=minutes(1)), rerun=seconds(71)) == ()
