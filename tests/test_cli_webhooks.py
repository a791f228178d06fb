"""``parcae webhook``, ``dispatch``, ``seal`` and ``unseal``, and webhooks from ``serve``."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner, Result
from hooks import all_delivered, dispatcher, owe, receiving, until
from standardwebhooks import Webhook

from parcae import Engine
from parcae.outbox_engine import OutboxEngine
from parcae.values import WorkerId, seconds
from parcae_adapters.cli.app import parcae
from parcae_adapters.cli.codes import Exit
from parcae_adapters.sqlite import SqliteStore

HOOK = "https://hooks.example/s3cret"


class Shop:
    """A database, and what is typed about it."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def __call__(self, *args: str, code: int = Exit.OK, **more: Any) -> Result:
        result = CliRunner().invoke(parcae, [*args, "--db", str(self.database)], **more)
        assert result.exit_code == code, result.stderr
        return result

    def json(self, *args: str) -> Any:
        return json.loads(self(*args, "--json").stdout)

    def use(self, use: Callable[[Engine, OutboxEngine], Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            store = SqliteStore(str(self.database), durability="normal")
            async with Engine(store) as engine:
                return await use(engine, OutboxEngine(store))

        return asyncio.run(main())


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "jobs.db")


def test_given_a_subscription_then_its_secret_is_printed_once_and_never_again(shop: Shop) -> None:
    made = shop("webhook", "add", "one", HOOK, "--type", "parcae.job.completed")
    secret = made.stdout.split()[-1]
    Webhook(secret)
    assert shop.json("webhook", "add", "one", HOOK, "--type", "completed")["secret"] is None
    rotated = shop.json("webhook", "rotate", "one", "--overlap", "1h")
    Webhook(rotated["secret"])
    assert rotated["secrets"] == 2
    for args in (("list",), ("show", "one"), ("list", "--json"), ("show", "one", "--jsonl")):
        told = shop("webhook", *args).stdout
        assert secret not in told
        assert rotated["secret"] not in told
    assert "s3cret" not in shop("webhook", "list").stdout
    assert shop.json("webhook", "show", "one")["url"] == HOOK


def test_given_a_secret_of_ones_own_then_it_comes_from_a_file_and_is_not_printed(
    shop: Shop, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    told = shop("webhook", "add", "one", HOOK, "--secret-file", str(file)).stdout
    assert "whsec_" not in told
    shop("webhook", "rotate", "one", "--secret-file", "-", input="whsec_short", code=Exit.USAGE)
    shop("webhook", "rotate", "one", "--secret-file", "none", code=Exit.USAGE)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("add", "one", "https://u:s3cret@hooks.example/"), Exit.USAGE),
        (("add", "one", "s3cret"), Exit.USAGE),
        (("add", "one", HOOK, "--type", "delivered"), Exit.USAGE),
        (("show", "none"), Exit.NOT_FOUND),
        (("rotate", "none"), Exit.NOT_FOUND),
        (("enable", "none"), Exit.NOT_FOUND),
        (("remove", "none", "--yes"), Exit.NOT_FOUND),
        (("remove", "two"), Exit.USAGE),
        (("deliveries", "none"), Exit.NOT_FOUND),
        (("replay",), Exit.USAGE),
        (("replay", "none"), Exit.NOT_FOUND),
        (("replay", "--to", "two"), Exit.USAGE),
    ],
)
def test_given_what_cannot_be_then_it_is_refused_with_its_code_and_no_secret(
    shop: Shop, args: tuple[str, ...], code: Exit
) -> None:
    shop("webhook", "add", "two", "https://hooks.example/")
    assert "s3cret" not in shop("webhook", *args, code=code).stderr


def test_given_deliveries_then_they_are_listed_and_replayed_one_by_one_or_by_filter(
    shop: Shop,
) -> None:
    async def send(engine: Engine, outbox: OutboxEngine) -> list[str]:
        async with receiving() as receiver:
            await outbox.subscribe("one", receiver.url())
            await owe(engine, 2)
            async with dispatcher(outbox):
                await until(lambda: all_delivered(outbox, "one", 4))
        return receiver.ids

    ids = shop.use(send)
    listed = shop.json("webhook", "deliveries", "--to", "one", "--state", "delivered")
    assert {one["id"] for one in listed["deliveries"]} == set(ids)
    assert shop.json("webhook", "deliveries", "--state", "dead")["deliveries"] == []
    one = shop.json("webhook", "deliveries", ids[0])
    assert [each["what"] for each in one["history"]] == ["taken", "delivered"]
    assert ids[0] in shop("webhook", "deliveries").stdout
    assert "204" in shop("webhook", "deliveries", ids[0]).stdout
    job_id = one["delivery"]["subject"]
    assert shop.json("show", job_id)["deliveries"] == {"delivered": 2}
    assert "webhooks  2 delivered" in shop("show", job_id).stdout
    assert shop.json("webhook", "replay", ids[0])["replayed"] == [ids[0]]
    looked = shop.json("webhook", "replay", "--to", "one", "--state", "delivered", "--dry-run")
    assert set(looked["replayed"]) == set(ids) - {ids[0]}
    done = shop.json("webhook", "replay", "--to", "one", "--state", "delivered", "--yes")
    assert set(done["replayed"]) == set(ids) - {ids[0]}
    (row,) = shop.json("webhook", "list")["subscriptions"]
    assert row["deliveries"] == {"pending": 4, "delivering": 0, "delivered": 0, "dead": 0}


def test_given_a_seal_then_lists_say_so_until_it_is_opened(shop: Shop) -> None:
    shop("webhook", "add", "one", HOOK)
    shop.use(lambda engine, _: owe(engine, 1))
    assert shop.json("seal", "--reason", "an audit", "--by", "ann")["under_way"] == 0
    seal = shop.json("webhook", "list")["seal"]
    assert (seal["sealed"], seal["by"], seal["reason"]) == (True, "ann", "an audit")
    found = shop.json("webhook", "deliveries")["deliveries"]
    assert {one["state"] for one in found} == {"withheld"}
    assert "parcae unseal" in shop("webhook", "list").stderr
    assert shop.json("unseal")["owed"] == len(found)
    shop("webhook", "disable", "one")
    found = shop.json("webhook", "deliveries")["deliveries"]
    assert {one["state"] for one in found} == {"disabled"}
    assert shop.json("webhook", "enable", "one")["state"] == "active"


def test_given_a_try_under_way_when_it_is_sealed_then_the_command_says_that_it_still_is(
    shop: Shop,
) -> None:
    async def take(engine: Engine, outbox: OutboxEngine) -> None:
        await outbox.subscribe("one", HOOK)
        await owe(engine, 1)
        await outbox.take(WorkerId("ann"), request="r", limit=1)

    shop.use(take)
    told = shop("seal", "--wait", "0s", code=Exit.TIMED_OUT)
    assert "1 delivery under way" in told.stderr


def test_given_a_sender_that_was_killed_when_it_is_sealed_then_nothing_is_under_way_after_its_lease(
    shop: Shop,
) -> None:
    async def take(engine: Engine, outbox: OutboxEngine) -> None:
        await outbox.subscribe("one", HOOK)
        await owe(engine, 1)
        await outbox.take(WorkerId("ann"), request="r", limit=1, lease=seconds(1))

    shop.use(take)
    told = shop("seal", "--wait", "20s")
    assert "0 deliveries under way" in told.stderr


@asynccontextmanager
async def process(*args: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """``parcae`` in a process of its own, which is stopped at the end."""
    found = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parcae_adapters.cli", *args),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield found
    finally:
        if found.returncode is None:
            found.send_signal(signal.SIGTERM)
        await asyncio.wait_for(found.wait(), 30)


@pytest.mark.parametrize("verb", ["dispatch", "serve"])
def test_given_the_command_when_something_is_owed_then_it_is_sent_and_a_stop_waits_for_it(
    shop: Shop, verb: str
) -> None:
    """S15, L6: a stop lets what is under way end, and it is not sent again."""

    async def main() -> None:
        go, came = asyncio.Event(), asyncio.Event()

        async def answer(request: web.Request, _: Any) -> web.Response:  # noqa: ARG001
            came.set()
            await go.wait()
            return web.Response()

        more = ("--listen", "127.0.0.1:0") if verb == "serve" else ()
        reach = ("--allow-host", "localhost", "--allow-http")
        async with Engine(SqliteStore(str(shop.database))) as engine, receiving(answer) as receiver:
            outbox = OutboxEngine(engine.store)
            await outbox.subscribe("one", receiver.url())
            await owe(engine, 1)
            async with process(verb, *more, *reach, "--db", str(shop.database)) as found:
                async with asyncio.timeout(30):
                    await came.wait()
                found.send_signal(signal.SIGTERM)
                go.set()
                # Not at the end of the block, where a second signal would cut the stop short.
                await asyncio.wait_for(found.wait(), 30)
            assert found.returncode == 0
            assert await all_delivered(outbox, "one", 2)
        assert len(receiver.ids) == len(set(receiver.ids)) == 2

    asyncio.run(main())
