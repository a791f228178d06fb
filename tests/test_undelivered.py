"""What doctor and metrics say of deliveries that do not get on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hooks import owe

from parcae import Engine, minutes
from parcae.checkup import checkup
from parcae.deliveries import Attempt
from parcae.filters import Filter
from parcae.outbox_engine import OutboxEngine
from parcae.undelivered import UNSENT, undelivered
from parcae.values import WorkerId, hours
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.metrics import Metrics

Test = Callable[[Engine, OutboxEngine, ManualClock], Awaitable[None]]
ANN = WorkerId("ann")


def run(test: Test) -> None:
    async def main() -> None:
        clock = ManualClock()
        async with Engine(MemoryStore(clock=clock)) as engine:
            outbox = OutboxEngine(engine.store)
            submitted = Filter(types=["submitted"])
            await outbox.subscribe("shop", "https://hooks.example/", wanted=submitted)
            await test(engine, outbox, clock)

    asyncio.run(main())


async def answered(outbox: OutboxEngine, clock: ManualClock, status: int, times: int = 1) -> None:
    """Have whatever is owed tried so often."""
    for number in range(times):
        clock.advance(hours(30))
        for one in await outbox.take(ANN, request=f"{status} {number}"):
            await outbox.report(one.delivery, one.token, Attempt(status=status))


async def told(engine: Engine) -> list[tuple[str, bool, str]]:
    """The findings, which doctor has too."""
    found = [(one.rule, one.unhealthy, one.command) for one in await undelivered(engine.store)]
    every = await checkup(engine.store)
    assert set(found) <= {(one.rule, one.unhealthy, one.command) for one in every.findings}
    return found


def test_given_nothing_is_owed_or_all_is_on_its_way_then_nothing_is_found() -> None:
    async def test(engine: Engine, _: OutboxEngine, clock: ManualClock) -> None:
        assert await told(engine) == []
        await owe(engine, 1)
        clock.advance(UNSENT)
        assert await told(engine) == []

    run(test)


def test_given_nobody_sends_then_that_is_found_and_withheld_ones_are_somebodys_wish() -> None:
    async def test(engine: Engine, outbox: OutboxEngine, clock: ManualClock) -> None:
        await owe(engine, 2)
        clock.advance(UNSENT + minutes(1))
        assert await told(engine) == [("unsent", True, "parcae dispatch")]
        await outbox.seal()
        assert await told(engine) == [("sealed", False, "parcae unseal")]
        (found,) = await undelivered(engine.store)
        assert found.message.endswith(": 2 deliveries withheld")

    run(test)


def test_given_dead_deliveries_then_the_command_names_the_subscription() -> None:
    async def test(engine: Engine, outbox: OutboxEngine, clock: ManualClock) -> None:
        await owe(engine, 1)
        await answered(outbox, clock, 500, times=10)
        assert await told(engine) == [("dead", True, "parcae webhook replay --to shop --dry-run")]
        await outbox.unsubscribe("shop")
        assert await told(engine) == []

    run(test)


def test_given_a_receiver_that_is_gone_then_that_is_wrong_and_one_that_is_disabled_is_not() -> None:
    async def test(engine: Engine, outbox: OutboxEngine, clock: ManualClock) -> None:
        await owe(engine, 1)
        await answered(outbox, clock, 410)
        assert await told(engine) == [("disabled", True, "parcae webhook enable shop")]
        await outbox.enable("shop")
        await outbox.disable("shop")
        assert await told(engine) == [("disabled", False, "parcae webhook enable shop")]

    run(test)


def test_given_deliveries_then_metrics_count_them_by_subscription_and_state() -> None:
    async def test(engine: Engine, outbox: OutboxEngine, clock: ManualClock) -> None:
        await owe(engine, 3)
        clock.advance(minutes(1))
        (one, *_) = await outbox.take(ANN, request="r", limit=1)
        await outbox.report(one.delivery, one.token, Attempt(status=200))
        metrics = Metrics(engine)
        await metrics.update()
        text = metrics.text()
        assert 'parcae_deliveries{state="pending",subscription="shop"} 2.0' in text
        assert 'parcae_deliveries{state="delivered",subscription="shop"} 1.0' in text
        assert "parcae_sealed 0.0" in text
        await outbox.seal()
        await metrics.update()
        assert "parcae_sealed 1.0" in metrics.text()

    run(test)
