"""Webhooks over HTTP: subscribing, secrets that are told once, deliveries, replays, the seal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, web
from hooks import LOCAL, all_delivered, dispatcher, listed, owe, receiving, until
from http_server import Client, access, served
from standardwebhooks import Webhook

from parcae import Engine
from parcae.deliveries import webhook_id
from parcae.outbox_engine import OutboxEngine
from parcae_adapters.clock import ManualClock
from parcae_adapters.http.app import make_app
from parcae_adapters.http.guard import Guard
from parcae_adapters.http.route import Scope
from parcae_adapters.http.routes.subscriptions import GUARD
from parcae_adapters.memory import MemoryStore

Test = Callable[[Engine, Client, ManualClock], Awaitable[None]]
HOOK = "https://hooks.example/s3cret?key=s3cret"


def run(test: Test, guard: Guard | None = None) -> None:
    async def main() -> None:
        clock = ManualClock()
        async with Engine(MemoryStore(clock=clock)) as engine:
            app = make_app(engine, access=access())
            if guard is not None:
                app[GUARD] = guard
            async with served(app) as url, ClientSession() as session:
                await test(engine, Client(session, url), clock)

    asyncio.run(main())


async def ask(client: Client, method: str, path: str, status: int = 200, **options: Any) -> Any:
    """The document that comes, with the status that was expected."""
    response = await client(method, path, **options)
    assert response.status == status, await response.text()
    return await response.json() if status != 204 else None


def test_given_a_subscription_when_it_is_made_then_its_secret_is_told_once() -> None:
    async def test(engine: Engine, client: Client, _: ManualClock) -> None:
        body = {"name": "shop", "url": HOOK, "types": ["parcae.job.completed", "failed"]}
        made = await ask(client, "POST", "/v1/subscriptions", json=body)
        Webhook(made["secret"])
        assert (made["types"], made["secrets"]) == (["completed", "failed"], 1)
        again = await ask(client, "POST", "/v1/subscriptions", json=body)
        assert (again["secret"], again["version"]) == (None, made["version"])
        rotated = await ask(client, "POST", "/v1/subscriptions/shop:rotate")
        Webhook(rotated["secret"])
        assert rotated["secrets"] == 2
        own = await ask(
            client,
            "POST",
            "/v1/subscriptions/shop:rotate",
            json={"secret": made["secret"][:-4] + "AAA="},
        )
        assert own["secret"] is None
        for path in ("/v1/subscriptions", "/v1/subscriptions/shop"):
            told = await (await client("GET", path)).text()
            assert made["secret"] not in told
            assert rotated["secret"] not in told
        log = repr(await engine.store.log())
        assert made["secret"] not in log

    run(test)


def test_given_who_may_only_look_then_addresses_are_told_without_what_is_secret_in_them() -> None:
    async def test(_: Engine, client: Client, __: ManualClock) -> None:
        await ask(client, "POST", "/v1/subscriptions", json={"name": "shop", "url": HOOK})
        told = await ask(client, "GET", "/v1/subscriptions/shop", scope=Scope.READ)
        assert told["url"] == "https://hooks.example/…"
        told = await ask(client, "GET", "/v1/subscriptions/shop", scope=Scope.OPERATE)
        assert told["url"] == HOOK
        for method, path in (
            ("POST", "/v1/subscriptions"),
            ("DELETE", "/v1/subscriptions/shop"),
            ("POST", "/v1/subscriptions/shop:rotate"),
            ("POST", "/v1/seal:close"),
        ):
            await ask(client, method, path, 403, scope=Scope.OPERATE)

    run(test)


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://hooks.example/"},
        {"url": "https://10.0.0.1/"},
        {"url": "https://2130706433/"},
        {"url": "https://user:s3cret@hooks.example/"},
        {"url": "https://hooks.example:22/"},
        {"url": "nothing at all"},
        {"types": ["delivered"]},
        {"types": ["no such type"]},
        {"secret": "whsec_s3cret"},
        {"secret": "s3cret"},
    ],
)
def test_given_what_cannot_be_subscribed_then_it_is_refused_and_nothing_is_kept(
    change: dict[str, Any],
) -> None:
    """S18: and no secret of what was sent is told back."""

    async def test(engine: Engine, client: Client, _: ManualClock) -> None:
        body = {"name": "shop", "url": HOOK, **change}
        problem = await ask(client, "POST", "/v1/subscriptions", 422, json=body)
        assert "expected" in problem["detail"]
        assert "s3cret" not in problem["detail"]
        assert await engine.store.log() == ()

    run(test)


def test_given_deliveries_then_they_are_listed_shown_and_replayed() -> None:
    async def test(engine: Engine, client: Client, _: ManualClock) -> None:
        async def answer(request: web.Request, message: Any) -> web.Response:  # noqa: ARG001
            return web.Response(status=status, text="what a receiver says")

        status = 500
        outbox = OutboxEngine(engine.store)
        async with receiving(answer) as receiver, dispatcher(outbox, timeout=timedelta(seconds=5)):
            body = {"name": "shop", "url": receiver.url(), "types": ["submitted"]}
            await ask(client, "POST", "/v1/subscriptions", json=body)
            (job_id,) = await owe(engine, 1)

            async def tried() -> bool:
                (one,) = await listed(outbox, "shop")
                return one.tries == 1

            await until(tried)
            page = await ask(client, "GET", "/v1/deliveries?state=pending&subscription=shop")
            (one,) = page["deliveries"]
            assert (one["tries"], one["subject"], one["last"]["status"]) == (1, job_id, 500)
            assert page["next_page_token"] == ""
            shown = await ask(client, "GET", f"/v1/deliveries/{one['id']}")
            assert [each["what"] for each in shown["history"]] == ["taken", "failed"]
            assert shown["history"][1]["attempt"]["excerpt"] == "what a receiver says"
            assert job_id in shown["body"]
            status = 200
            await ask(client, "POST", f"/v1/deliveries/{one['id']}:replay")
            await until(lambda: all_delivered(outbox, "shop", 1))
            assert set(receiver.ids) == {one["id"]}
            many = {"subscription": "shop", "states": ["delivered"]}
            looked = await ask(client, "POST", "/v1/deliveries:replay", json=many)
            assert (looked["dry_run"], looked["replayed"]) == (True, [one["id"]])
            assert len(receiver.got) == 2
            done = await ask(
                client, "POST", "/v1/deliveries:replay", json={**many, "dry_run": False}
            )
            assert (done["replayed"], done["refused"]) == ([one["id"]], [])
            await until(lambda: len(receiver.got) == 3)
        await ask(client, "POST", "/v1/deliveries:replay", 422, json={})
        await ask(client, "GET", "/v1/deliveries/none", 404)

    run(test, Guard(LOCAL))


def test_given_many_deliveries_then_pages_lead_through_all_of_them() -> None:
    async def test(engine: Engine, client: Client, _: ManualClock) -> None:
        body = {"name": "shop", "url": HOOK, "types": ["submitted"]}
        await ask(client, "POST", "/v1/subscriptions", json=body)
        await owe(engine, 7)
        found, token = [], ""
        while True:
            page = await ask(client, "GET", f"/v1/deliveries?limit=3&page_token={token}")
            found += [one["id"] for one in page["deliveries"]]
            token = page["next_page_token"]
            if not token:
                break
        kept = [webhook_id(one.id) for one in await listed(OutboxEngine(engine.store), "shop")]
        assert found == kept
        assert len(found) == 7
        # What is replayed may be named by the same filter again: only the token leads past it.
        many = {"subscription": "shop", "states": ["pending"], "limit": 3, "dry_run": False}
        again, token = [], ""
        for more in (True, True, False):
            done = await ask(
                client, "POST", "/v1/deliveries:replay", json={**many, "page_token": token}
            )
            again += done["replayed"]
            token = done["next_page_token"]
            assert (done["more"], bool(token)) == (more, more)
        assert again == kept
        await ask(client, "POST", "/v1/deliveries:replay", 422, json={**many, "page_token": "x"})

    run(test)


def test_given_a_seal_then_it_is_told_and_deliveries_are_withheld() -> None:
    async def test(engine: Engine, client: Client, _: ManualClock) -> None:
        body = {"name": "shop", "url": HOOK, "types": ["submitted"]}
        await ask(client, "POST", "/v1/subscriptions", json=body)
        await owe(engine, 1)
        assert not (await ask(client, "GET", "/v1/seal"))["sealed"]
        closed = await ask(client, "POST", "/v1/seal:close", json={"reason": "an audit"})
        assert (closed["sealed"], closed["by"], closed["reason"]) == (True, "admin", "an audit")
        (one,) = (await ask(client, "GET", "/v1/deliveries"))["deliveries"]
        assert one["state"] == "withheld"
        assert not (await ask(client, "POST", "/v1/seal:open"))["sealed"]
        await ask(client, "POST", "/v1/subscriptions/shop:disable")
        (one,) = (await ask(client, "GET", "/v1/deliveries"))["deliveries"]
        assert one["state"] == "disabled"
        await ask(client, "POST", "/v1/subscriptions/shop:enable")
        await ask(client, "DELETE", "/v1/subscriptions/shop", 204)
        await ask(client, "GET", "/v1/subscriptions/shop", 404)
        (one,) = (await ask(client, "GET", "/v1/deliveries"))["deliveries"]
        assert (one["state"], one["cause"]) == ("dead", "subscription removed")

    run(test)
