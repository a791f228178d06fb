"""Definitions: what is refused when they are written, and when they are called."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from attrs import frozen

from parcae import Context, Engine, Jobs, Rejected, Retry, RetryMode, Status, Timing, minutes
from parcae.spec import UndoSpec
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.testing import run_until_idle


@frozen
class Order:
    number: int


@dataclass
class Receipt:
    total: int


def test_given_a_job_when_called_with_wrong_arguments_then_it_says_what_was_expected() -> None:
    jobs = Jobs()

    @jobs.job("pay")
    async def pay(_: Context, order: Order, twice: bool = False) -> None: ...

    with pytest.raises(TypeError, match="missing a required argument: 'order'"):
        pay()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="argument 'order': expected Order, got 5"):
        pay(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="argument 'order': expected Order"):
        pay({"number": 1, "colour": "red"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="JSON can hold"):
        pay(object())  # type: ignore[arg-type]
    assert pay(Order(1), twice=True).payload == b'{"order": {"number": 1}, "twice": true}'


def test_given_a_saga_when_its_handlers_disagree_then_the_definition_is_refused() -> None:
    jobs = Jobs()
    saga = jobs.saga("trip")

    @saga.phase
    async def first(_: Context, order: Order) -> int:
        return order.number

    with pytest.raises(TypeError, match=r"expected phase 'second' to take \(ctx, order\)"):

        @saga.phase
        async def second(_: Context, other: Order) -> None: ...

    with pytest.raises(TypeError, match=r"expected the undo of 'first' to take \(ctx, order, res"):

        @first.undo
        async def wrong(_: Context, result: int) -> None: ...

    with pytest.raises(TypeError, match="has a phase 'first' already"):
        saga.phase(first.handler)
    with pytest.raises(TypeError, match="there is a definition 'trip' already"):
        jobs.saga("trip")
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        jobs.saga("other", colour="red")
    with pytest.raises(TypeError, match="expected saga 'empty' to have a phase"):
        jobs.saga("empty")()
    with pytest.raises(LookupError, match="no definition 'nothing' here; there is empty, trip"):
        jobs["nothing"]


def test_given_handlers_without_names_for_their_arguments_then_they_are_refused() -> None:
    jobs = Jobs()

    def many(ctx: Context, *numbers: int) -> None: ...

    def none() -> None: ...

    for handler in (many, none):
        with pytest.raises(TypeError, match="to take ctx and named arguments"):
            jobs.job(handler.__name__)(handler)  # type: ignore[arg-type]


def test_given_a_saga_when_it_is_called_then_the_request_says_all_that_the_kernel_needs() -> None:
    jobs = Jobs()
    retry, timing = Retry(max_attempts=7), Timing(attempt=minutes(3))
    saga = jobs.saga("trip", Order, version="v2", queue="slow", retry=retry, timing=timing)

    @saga.phase(name="book")
    async def anything(_: Context, order: Order) -> Receipt:
        return Receipt(order.number)

    @anything.undo(unknown=True, retry=Retry(max_attempts=2))
    async def back(_: Context, order: Order, receipt: Receipt | None) -> None: ...

    request = saga(Order(4))
    spec = request.spec
    assert (spec.kind, spec.definition, spec.lane.queue) == ("trip", "v2", "slow")
    assert (spec.retry, spec.timing) == (retry, timing)
    assert [phase.name for phase in spec.phases] == ["book"]
    assert spec.phases[0].undo == UndoSpec(unknown=True, retry=Retry(max_attempts=2))
    assert request.returns is Receipt


def test_given_values_of_ones_own_when_a_job_runs_then_handlers_and_callers_get_them_back() -> None:
    jobs = Jobs()

    @jobs.job("total")
    def total(_: Context, order: Order, prices: list[int]) -> Receipt:
        assert isinstance(order, Order)
        return Receipt(order.number * sum(prices))

    async def scenario() -> Receipt | None:
        engine = Engine(MemoryStore(clock=ManualClock()))
        handle = await engine.submit(total(Order(2), [3, 4]))
        await run_until_idle(engine, jobs)
        return (await handle.wait()).result

    assert asyncio.run(scenario()) == Receipt(14)


def test_given_retries_with_long_backoffs_when_run_until_idle_then_no_real_time_passes() -> None:
    jobs, at = Jobs(), []
    clock = ManualClock()

    @jobs.job("flaky", retry=Retry(max_attempts=4, backoff=minutes(60), cap=minutes(600), jitter=0))
    async def flaky(ctx: Context) -> int:
        at.append(clock.now())
        if ctx.attempt < 4:
            raise OSError("not yet")
        return ctx.attempt

    async def scenario() -> Any:
        engine = Engine(MemoryStore(clock=clock))
        handle = await engine.submit(flaky())
        await run_until_idle(engine, jobs)
        return await handle.wait()

    assert asyncio.run(scenario()).result == 4
    waits = [later - earlier for earlier, later in pairwise(at)]
    assert waits == [minutes(60), minutes(120), minutes(240)]


def test_s11_given_a_failed_saga_when_it_is_resumed_then_completed_phases_do_not_run_again() -> (
    None
):
    jobs, ran, keys = Jobs(), [], []
    saga = jobs.saga("import", retry=Retry(max_attempts=1))

    @saga.phase
    async def fetch(_: Context, url: str) -> str:
        ran.append("fetch")
        return f"page of {url}"

    @saga.phase
    async def parse(ctx: Context, url: str) -> int:
        ran.append("parse")
        assert url == "here"
        keys.append(ctx.idempotency_key)
        if len(keys) == 1:
            raise ValueError("bad page")
        return len(ctx.result(fetch))

    async def scenario() -> None:
        engine = Engine(MemoryStore(clock=ManualClock()))
        first = await engine.submit(saga("here"))
        await run_until_idle(engine, jobs)
        assert (await first.wait()).status is Status.FAILED
        second = await engine.retry(first.job_id, RetryMode.RESUME, idempotency_key="again")
        assert (await engine.retry(first.job_id, idempotency_key="again")).admitted.duplicate
        with pytest.raises(ValueError, match="not a valid RetryMode"):
            await engine.retry(first.job_id, "halfway")  # type: ignore[arg-type]
        with pytest.raises(Rejected, match="taken over already"):
            await engine.retry(first.job_id, RetryMode.RESUME)
        await run_until_idle(engine, jobs)
        outcome = await second.wait()
        assert (outcome.status, outcome.result) == (Status.COMPLETED, len("page of here"))
        assert (await first.wait()).status is Status.FAILED

    asyncio.run(scenario())
    assert ran == ["fetch", "parse", "parse"]
    assert keys[0] == keys[1]


def test_s17_given_one_key_when_it_is_used_again_then_same_body_same_job_other_body_refused() -> (
    None
):
    jobs = Jobs()

    @jobs.job("greet")
    async def greet(_: Context, name: str) -> None: ...

    async def scenario() -> None:
        engine = Engine(MemoryStore(clock=ManualClock()))
        first = await engine.submit(greet("ann"), idempotency_key="k")
        again = await engine.submit(greet("ann"), idempotency_key="k")
        assert again.job_id == first.job_id
        assert (first.admitted.duplicate, again.admitted.duplicate) == (False, True)
        with pytest.raises(Rejected, match="used with another request"):
            await engine.submit(greet("bob"), idempotency_key="k")
        await run_until_idle(engine, jobs)
        await engine.delete(first.job_id)
        gone = await engine.submit(greet("ann"), idempotency_key="k")
        assert (gone.admitted.duplicate, gone.admitted.deleted) == (True, True)

    asyncio.run(scenario())


def test_given_a_job_that_only_others_can_run_when_run_until_idle_then_it_returns() -> None:
    ours, theirs = Jobs(), Jobs()

    @theirs.job("theirs")
    async def other(_: Context) -> None: ...

    async def scenario() -> int:
        engine = Engine(MemoryStore(clock=ManualClock()))
        await engine.submit(other())
        return await run_until_idle(engine, ours)

    assert asyncio.run(scenario()) == 0


def test_given_a_system_clock_when_run_until_idle_is_asked_then_it_says_what_it_needs() -> None:
    async def scenario() -> None:
        with pytest.raises(TypeError, match="expected a store with a ManualClock"):
            await run_until_idle(Engine(MemoryStore()), Jobs())

    asyncio.run(scenario())
