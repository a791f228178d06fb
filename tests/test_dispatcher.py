"""The dispatcher against real receivers: what arrives, how often, in which order, how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from hooks import (
    SUBMITTED,
    Message,
    all_delivered,
    dispatcher,
    listed,
    notes,
    owe,
    receiving,
    standings,
    until,
)
from standardwebhooks import Webhook, WebhookVerificationError

from parcae import Engine, JobId, minutes, seconds
from parcae.circuit import THRESHOLD
from parcae.deliveries import Standing, webhook_id
from parcae.filters import Filter
from parcae.outbox_engine import OutboxEngine
from parcae.retention import Retention
from parcae_adapters.clock import ManualClock
from parcae_adapters.http.dispatcher.answers import retry_after
from parcae_adapters.http.dispatcher.settings import Settings
from parcae_adapters.http.outbound import SEALED
from parcae_adapters.http.whsec import checked, new_secret
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore

Test = Callable[[Engine, OutboxEngine, ManualClock], Awaitable[None]]


@asynccontextmanager
async def store() -> AsyncIterator[tuple[Engine, OutboxEngine, ManualClock]]:
    """An engine on a store in memory, whose clock is moved by hand."""
    clock = ManualClock()
    async with Engine(MemoryStore(clock=clock)) as engine:
        yield engine, OutboxEngine(engine.store), clock


def run(test: Test) -> None:
    async def main() -> None:
        async with store() as parts:
            await test(*parts)

    asyncio.run(main())


def scripted(*statuses: int, **headers: str) -> Callable[..., Awaitable[web.Response]]:
    """Answer so, the last for ever."""
    left = list(statuses)

    async def answer(request: web.Request, message: Message) -> web.Response:  # noqa: ARG001
        status = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(status=status, headers=headers if status >= 300 else {})

    return answer


# What arrives


def test_given_a_subscription_when_it_is_owed_an_event_then_a_signed_cloudevent_arrives() -> None:
    async def test(engine: Engine, outbox: OutboxEngine, _: ManualClock) -> None:
        secret = new_secret()
        async with receiving() as receiver, dispatcher(outbox):
            await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED, secret=secret)
            (job_id,) = await owe(engine, 1)
            await until(lambda: all_delivered(outbox, "hook", 1))
        (message,) = receiver.got
        (delivery,) = await listed(outbox, "hook")
        event = Webhook(secret.decode()).verify(message.body, message.headers)
        assert (event["specversion"], event["type"]) == ("1.0", "parcae.job.submitted")
        assert event["subject"] == job_id
        assert message.id == webhook_id(delivery.id)
        assert message.headers["content-type"].startswith("application/cloudevents+json")
        assert message.body == await outbox.body(delivery.id)
        assert delivery.last is not None
        assert (delivery.last.status, delivery.last.error) == (204, "")
        assert delivery.last.latency > timedelta(0)
        with pytest.raises(WebhookVerificationError):
            Webhook(new_secret().decode()).verify(message.body, message.headers)

    run(test)


def test_given_a_rotation_then_both_secrets_verify_until_the_overlap_is_over() -> None:
    async def test(engine: Engine, outbox: OutboxEngine, clock: ManualClock) -> None:
        old, new = new_secret(), new_secret()
        async with receiving() as receiver, dispatcher(outbox):
            await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED, secret=old)
            await owe(engine, 1)
            await until(lambda: len(receiver.got) == 1)
            await outbox.rotate("hook", new, overlap=minutes(10))
            await owe(engine, 1)
            await until(lambda: len(receiver.got) == 2)
            clock.advance(minutes(11))
            await owe(engine, 1)
            await until(lambda: len(receiver.got) == 3)

        def verifies(secret: bytes) -> list[bool]:
            return [_verifies(secret, one) for one in receiver.got]

        assert (verifies(old), verifies(new)) == ([True, True, False], [False, True, True])
        assert [len(one.headers["webhook-signature"].split()) for one in receiver.got] == [1, 2, 1]

    run(test)


def _verifies(secret: bytes, message: Message) -> bool:
    try:
        Webhook(secret.decode()).verify(message.body, message.headers)
    except WebhookVerificationError:
        return False
    return True


def test_given_a_receiver_that_fails_then_each_try_has_the_same_id_and_body() -> None:
    """S15: the same delivery over all tries, and none after one that was recorded."""

    async def test(engine: Engine, outbox: OutboxEngine, clock: ManualClock) -> None:
        async with receiving(scripted(500, 302, 200)) as receiver, dispatcher(outbox):
            await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED)
            await owe(engine, 1)
            for tries, wait in ((1, seconds(6)), (2, minutes(6))):
                await until(partial(_tried, outbox, tries))
                clock.advance(wait)
            await until(lambda: all_delivered(outbox, "hook", 1))
            clock.advance(timedelta(days=2))
            await owe(engine, 1)
            await until(lambda: all_delivered(outbox, "hook", 2))
        first = receiver.got[:3]
        assert len({one.id for one in first}) == len({one.body for one in first}) == 1
        assert len(receiver.got) == 4

    run(test)


async def _tried(outbox: OutboxEngine, tries: int) -> bool:
    (found,) = await listed(outbox, "hook")
    return found.tries == tries and found.open


def test_given_it_is_redirected_then_that_is_a_failure_and_nobody_follows() -> None:
    async def test(engine: Engine, outbox: OutboxEngine, _: ManualClock) -> None:
        async with receiving() as elsewhere:
            answer = scripted(307, Location=elsewhere.url())
            async with receiving(answer) as receiver, dispatcher(outbox):
                await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED)
                await owe(engine, 1)
                await until(lambda: _tried(outbox, 1))
            assert (len(receiver.got), len(elsewhere.got)) == (1, 0)

    run(test)


def test_given_a_receiver_is_gone_then_its_subscription_is_disabled_until_somebody_enables_it() -> (
    None
):
    async def test(engine: Engine, outbox: OutboxEngine, clock: ManualClock) -> None:
        async with receiving(scripted(410, 200)) as receiver:
            await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED)
            await owe(engine, 5)
            async with dispatcher(outbox, concurrency=1):
                await until(lambda: _disabled(outbox))
            assert len(receiver.got) == 1
            watched = await outbox.watched(await listed(outbox, "hook"))
            assert {one.standing for one in watched} == {Standing.DISABLED}
            await outbox.enable("hook")
            clock.advance(seconds(6))
            async with dispatcher(outbox):
                await until(lambda: all_delivered(outbox, "hook", 5))
            assert len(set(receiver.ids)) == 5

    run(test)


@pytest.mark.parametrize("change", ["remove", "disable", "move"])
def test_given_deliveries_lying_ready_when_their_subscription_changes_then_none_of_them_begins(
    change: str,
) -> None:
    """S15: what nobody wants there any more is not sent because it was taken a moment before."""

    async def test(engine: Engine, outbox: OutboxEngine, _: ManualClock) -> None:
        answered = asyncio.Event()

        async def answer(request: web.Request, message: Message) -> web.Response:  # noqa: ARG001
            # The first is answered at once, so that more than can be sent are taken ahead.
            if len(receiver.got) > 1:
                await answered.wait()
            return web.Response(status=204)

        async with receiving(answer) as receiver, receiving() as elsewhere:
            await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED)
            await owe(engine, 6)
            async with dispatcher(outbox, concurrency=1) as sender:
                await until(lambda: len(receiver.got) == 2 and sender.lanes.waiting)
                if change == "move":
                    await outbox.subscribe("hook", elsewhere.url(), wanted=SUBMITTED)
                else:
                    await getattr(outbox, {"remove": "unsubscribe"}.get(change, change))("hook")
                await until(lambda: not any(one.version == 1 for one in sender.lanes.ready))
                answered.set()
                if change == "move":
                    await until(lambda: all_delivered(outbox, "hook", 6))
            assert len(receiver.got) == 2
            assert len(elsewhere.got) == (4 if change == "move" else 0)

    run(test)


async def _disabled(outbox: OutboxEngine) -> bool:
    return (await outbox.subscriptions())["hook"].gone


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_given_a_receiver_that_asks_to_be_left_alone_then_it_is_for_as_long(form: str) -> None:
    async def test(engine: Engine, outbox: OutboxEngine, clock: ManualClock) -> None:
        then = datetime.now(UTC) + minutes(120)
        value = "7200" if form == "seconds" else format_datetime(then, usegmt=True)
        answer = scripted(503, **{"Retry-After": value})
        async with receiving(answer) as receiver, dispatcher(outbox):
            await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED)
            await owe(engine, 1)
            await until(lambda: _tried(outbox, 1))
        (found,) = await listed(outbox, "hook")
        assert found.last is not None
        assert found.last.retry_after is not None
        assert minutes(119) < found.last.retry_after <= minutes(120)
        due = await outbox.store.next_delivery()
        assert due is not None
        assert due - clock.now() == found.last.retry_after

    run(test)


def test_given_any_text_for_how_long_to_wait_then_it_is_bounded_or_nothing() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    assert retry_after("120", now) == minutes(2)
    assert retry_after("9" * 400, now) == timedelta(days=1)
    assert retry_after("Tue, 01 Jan 2030 00:01:00 GMT", now) == minutes(1)
    assert retry_after("Mon, 01 Jan 2029 00:00:00 -0000", now) == timedelta(0)
    assert retry_after("Fri, 31 Dec 9999 23:59:59 GMT", now) == timedelta(days=1)
    for nothing in (None, "", "-1", "soon", "1.5", "\u0661", "Xyz, 99 Abc 0000 99:99:99 GMT"):
        assert retry_after(nothing, now) is None


# Answers that are too much, or too little


def test_given_a_huge_answer_or_a_slow_one_then_its_beginning_is_kept_and_the_status_counts() -> (
    None
):
    async def endless(request: web.Request, message: Message) -> web.StreamResponse:
        response = web.StreamResponse(status=200)
        await response.prepare(request)
        if b"0" in message.body:
            await response.write(b"x" * 5_000)
        await asyncio.sleep(60)
        return response

    async def test(engine: Engine, outbox: OutboxEngine, _: ManualClock) -> None:
        async with receiving(endless) as receiver, dispatcher(outbox):
            await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED)
            await owe(engine, 1)
            await until(lambda: all_delivered(outbox, "hook", 1))
        (found,) = await listed(outbox, "hook")
        assert found.last is not None
        assert found.last.excerpt.startswith("xxx")
        assert len(found.last.excerpt) <= 500

    run(test)


def test_given_a_receiver_that_never_answers_then_the_try_ends_in_time() -> None:
    async def test(engine: Engine, outbox: OutboxEngine, _: ManualClock) -> None:
        async with receiving(_never) as receiver, dispatcher(outbox, timeout=seconds(0.1)):
            await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED)
            await owe(engine, 1)
            await until(lambda: _tried(outbox, 1))
        (found,) = await listed(outbox, "hook")
        assert found.last is not None
        assert found.last.error == "no answer within 0.1 seconds"

    run(test)


async def _never(request: web.Request, message: Message) -> web.StreamResponse:  # noqa: ARG001
    await asyncio.sleep(60)
    return web.Response()


# Many at once


def test_given_many_owed_then_never_more_at_once_than_is_allowed_over_all_and_to_one() -> None:
    now = most = 0

    async def slowly(request: web.Request, message: Message) -> web.Response:  # noqa: ARG001
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.004)
        now -= 1
        return web.Response()

    async def test(engine: Engine, outbox: OutboxEngine, _: ManualClock) -> None:
        async with receiving(slowly) as one, receiving(slowly) as two, receiving(slowly) as three:
            for name, receiver in (("one", one), ("two", two), ("three", three)):
                await outbox.subscribe(name, receiver.url(), wanted=SUBMITTED)
            await owe(engine, 60)
            async with dispatcher(outbox, concurrency=8, per_endpoint=3):
                for name in ("one", "two", "three"):
                    await until(partial(all_delivered, outbox, name, 60))
            for receiver in (one, two, three):
                assert len(receiver.ids) == len(set(receiver.ids)) == 60
                assert receiver.most == 3
        assert most == 8

    run(test)


def test_given_an_endpoint_that_is_dead_then_it_slows_no_other() -> None:
    """L4: what is owed to those who answer arrives while the others are still waited for."""

    async def test(engine: Engine, outbox: OutboxEngine, _: ManualClock) -> None:
        async with receiving(_never) as dead, receiving() as well:
            for number in range(3):
                await outbox.subscribe(f"dead {number}", dead.url(), wanted=SUBMITTED)
            await owe(engine, 40)
            await outbox.subscribe("well", well.url(), wanted=SUBMITTED)
            await owe(engine, 40)
            async with dispatcher(outbox, concurrency=10, per_endpoint=3, drain=timedelta(0)):
                await until(lambda: all_delivered(outbox, "well", 40))
                assert dead.now == 9
        assert len(dead.got) == 9

    run(test)


def test_given_an_endpoint_that_fails_then_it_is_left_alone_and_probed_by_one() -> None:
    async def test(engine: Engine, outbox: OutboxEngine, _: ManualClock) -> None:
        here = ManualClock()
        answers = [500]

        async def answer(request: web.Request, message: Message) -> web.Response:  # noqa: ARG001
            return web.Response(status=answers[0])

        async with receiving(answer) as receiver:
            await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED)
            await owe(engine, 100)
            async with dispatcher(outbox, per_endpoint=4, clock=here) as sender:
                await until(lambda: sender.lanes.next_probe(here.now()) is not None)
                await until(lambda: not sender.lanes.busy)
                failed = len(receiver.got)
                assert THRESHOLD <= failed < THRESHOLD + 4
                answers[0] = 200
                assert len(receiver.got) == failed
                here.advance(seconds(5))
                await owe(engine, 1)
                await until(lambda: _delivered(outbox, 101 - failed))

    run(test)


async def _delivered(outbox: OutboxEngine, number: int) -> bool:
    return (await standings(outbox, "hook")).get(Standing.DELIVERED, 0) >= number


def test_given_an_ordered_subscription_when_tries_fail_then_its_order_holds() -> None:
    async def test(engine: Engine, outbox: OutboxEngine, clock: ManualClock) -> None:
        failures = {2: 2, 5: 1}

        async def answer(request: web.Request, message: Message) -> web.Response:  # noqa: ARG001
            version = json.loads(message.body)["data"]["version"]
            left = failures.get(version, 0)
            failures[version] = left - 1
            if left > 0:
                return web.Response(status=500)
            taken.append(version)
            return web.Response()

        taken: list[int] = []
        everything = Filter(types=["submitted", "scheduled", "annotated"])
        async with receiving(answer) as receiver, dispatcher(outbox):
            await outbox.subscribe("hook", receiver.url(), wanted=everything, ordered=True)
            (job_id,) = await owe(engine, 1)
            await notes(engine, job_id, 6)
            for _ in range(3):
                await until(lambda: _waits_or_done(outbox))
                clock.advance(minutes(6))
            await until(lambda: _delivered(outbox, 8))
        assert taken == [1, 2, 3, 4, 5, 6, 7, 8]
        assert len(receiver.got) == 11

    run(test)


async def _waits_or_done(outbox: OutboxEngine) -> bool:
    """Whether the first that is open has failed, and nothing is being sent."""
    found = sorted(await listed(outbox, "hook"), key=lambda one: one.number)
    first = next((one for one in found if one.open), None)
    now = outbox.store.clock.now()
    due = None if first is None else await outbox.store.next_delivery(now)
    return first is None or (due is not None and first.tries > 0 and not first.held(now))


# The end


def test_given_a_stop_then_what_is_under_way_is_reported_and_the_rest_given_back() -> None:
    """L6, S15: nothing that was answered is sent again, and what has not begun is nobody's."""

    async def test(engine: Engine, outbox: OutboxEngine, _: ManualClock) -> None:
        go = asyncio.Event()

        async def answer(request: web.Request, message: Message) -> web.Response:  # noqa: ARG001
            await go.wait()
            return web.Response()

        async with receiving(answer) as receiver:
            await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED)
            await owe(engine, 20)
            async with dispatcher(outbox, concurrency=4, per_endpoint=4) as sender:
                await until(lambda: receiver.now == 4)
                sender.stop()
                go.set()
            assert await standings(outbox, "hook") == {
                Standing.DELIVERED: 4,
                Standing.PENDING: 16,
            }
            async with dispatcher(outbox):
                await until(lambda: all_delivered(outbox, "hook", 20))
        assert len(receiver.ids) == len(set(receiver.ids)) == 20

    run(test)


def test_given_a_stop_when_a_receiver_does_not_answer_then_the_drain_ends_all_the_same() -> None:
    """L6: the drain has its limit; what was cut off may have arrived, and is due again."""

    async def test(engine: Engine, outbox: OutboxEngine, clock: ManualClock) -> None:
        async with receiving(_never) as receiver:
            await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED)
            await owe(engine, 1)
            async with dispatcher(outbox, drain=timedelta(0)):
                await until(lambda: receiver.now == 1)
        (found,) = await listed(outbox, "hook")
        assert found.last is not None
        assert (found.tries, found.open) == (1, True)
        assert found.last.error == "the sender was stopped before there was an answer"
        assert not found.held(clock.now())

    run(test)


def test_given_a_store_that_is_busy_then_what_was_answered_is_reported_once_it_is_not(
    tmp_path: Path,
) -> None:
    """L4: a report is insisted on, and no receiver is troubled again."""

    async def main() -> None:
        path = tmp_path / "jobs.db"
        held = asyncio.Event()

        async def answer(request: web.Request, message: Message) -> web.Response:  # noqa: ARG001
            other.execute("BEGIN IMMEDIATE")
            held.set()
            return web.Response()

        async with Engine(SqliteStore(str(path), busy_timeout=0.05)) as engine:
            outbox = OutboxEngine(engine.store)
            other = sqlite3.connect(path, isolation_level=None)
            async with receiving(answer) as receiver:
                await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED)
                await owe(engine, 1)
                async with dispatcher(outbox):
                    await held.wait()
                    await asyncio.sleep(0.3)
                    assert (await standings(outbox, "hook")) == {Standing.DELIVERING: 1}
                    other.execute("ROLLBACK")
                    await until(lambda: all_delivered(outbox, "hook", 1))
            other.close()
        assert len(receiver.got) == 1

    asyncio.run(main())


def test_given_a_job_that_retention_deletes_meanwhile_then_its_delivery_arrives_all_the_same() -> (
    None
):
    """S22: a delivery holds what it sends."""

    async def test(engine: Engine, outbox: OutboxEngine, clock: ManualClock) -> None:
        async with receiving(scripted(500, 200)) as receiver:
            await outbox.subscribe("hook", receiver.url(), wanted=Filter(types=["cancelled"]))
            (job_id,) = await owe(engine, 1)
            await engine.cancel(JobId(job_id))
            async with dispatcher(outbox):
                await until(lambda: _tried(outbox, 1))
                clock.advance(minutes(10))
                await engine.sweep(Retention(cancelled=seconds(1)))
                assert await engine.store.fetch(JobId(job_id)) is None
                await until(lambda: all_delivered(outbox, "hook", 1))
        assert receiver.ids[0] == receiver.ids[1]
        assert json.loads(receiver.got[1].body)["data"]["job_id"] == job_id

    run(test)


def test_given_deliveries_that_are_over_for_long_then_they_are_swept() -> None:
    async def test(engine: Engine, outbox: OutboxEngine, clock: ManualClock) -> None:
        async with receiving() as receiver:
            await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED)
            await owe(engine, 3)
            async with dispatcher(outbox):
                await until(lambda: all_delivered(outbox, "hook", 3))
            clock.advance(timedelta(days=8))
            async with dispatcher(outbox):
                await until(lambda: all_delivered(outbox, "hook", 0))

    run(test)


# The seal


def test_given_a_seal_then_nothing_is_sent_and_all_of_it_once_it_is_opened() -> None:
    """S15: none begins after a seal commits; what was withheld arrives under its own id."""

    async def test(engine: Engine, outbox: OutboxEngine, _: ManualClock) -> None:
        async with receiving() as receiver, dispatcher(outbox):
            await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED)
            await outbox.seal(by="ann", reason="an audit")
            await owe(engine, 10)
            ids = {webhook_id(one.id) for one in await listed(outbox, "hook")}
            watched = await outbox.watched(await listed(outbox, "hook"))
            assert {one.standing for one in watched} == {Standing.WITHHELD}
            await asyncio.sleep(0.1)
            assert receiver.got == []
            await outbox.unseal()
            await until(lambda: all_delivered(outbox, "hook", 10))
        assert set(receiver.ids) == ids
        assert len(receiver.got) == 10

    run(test)


@pytest.mark.parametrize("how", ["option", "environment"])
def test_given_a_sealed_dispatcher_then_it_seals_the_store_and_opens_nothing(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "environment":
        monkeypatch.setenv(SEALED, "1")

    async def test(engine: Engine, outbox: OutboxEngine, _: ManualClock) -> None:
        async with receiving() as receiver:
            await outbox.subscribe("hook", receiver.url(), wanted=SUBMITTED)
            await owe(engine, 3)
            async with dispatcher(outbox, sealed=how == "option"):
                await until(lambda: _is_sealed(outbox))
            assert receiver.got == []

    run(test)


async def _is_sealed(outbox: OutboxEngine) -> bool:
    return (await outbox.sealed()).closed


# What nobody is told


def test_given_failures_of_all_sorts_then_no_secret_is_in_a_log_an_event_or_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    async def test(engine: Engine, outbox: OutboxEngine, _: ManualClock) -> None:
        secret = new_secret()
        async with receiving(scripted(500)) as receiver:
            closed = "http://localhost:1/s3cret?token=s3cret"
            urls = {
                "fails": receiver.url("/s3cret?token=s3cret"),
                "closed": "http://localhost:1/s3cret?token=s3cret",
                "unknown": "http://nowhere.invalid/s3cret",
                "inside": f"http://127.0.0.1:{receiver.port}/s3cret",
                "user": f"http://s3cret:s3cret@localhost:{receiver.port}/",
                "plain": closed,
            }
            for name, url in urls.items():
                await outbox.subscribe(name, url, wanted=SUBMITTED, secret=secret)
            await owe(engine, 1)
            async with dispatcher(outbox):
                for name in urls:
                    await until(partial(_failed, outbox, name))
            assert len(receiver.got) == 1
            for name in urls:
                (found,) = await listed(outbox, name)
                told = repr(await outbox.tries(found.id))
                assert "s3cret" not in told
                assert secret.decode() not in told
        assert secret.decode() not in repr(await engine.store.log())
        assert secret.decode() not in caplog.text
        assert "s3cret" not in caplog.text

    run(test)


async def _failed(outbox: OutboxEngine, name: str) -> bool:
    (found,) = await listed(outbox, name)
    return found.tries == 1


def test_given_a_lease_that_a_try_could_outlive_then_the_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="somebody else would send"):
        Settings(timeout=seconds(55))
    assert Settings(timeout=seconds(50)).timeout == seconds(50)


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_!!!", "abc", "whsec_c2hvcnQ=", "whsec_é"])
def test_given_what_is_no_secret_then_it_is_refused_untold(text: str) -> None:
    with pytest.raises(ValueError, match="expected a secret") as caught:
        checked(text)
    assert not text or text == "whsec_" or text not in str(caught.value)


def test_given_a_new_secret_then_it_is_one_and_the_library_takes_it() -> None:
    secret = new_secret()
    assert checked(secret.decode()) == secret
    Webhook(secret.decode())
    assert new_secret() != secret
