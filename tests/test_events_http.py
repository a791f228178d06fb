"""``/v1/events`` through a real server and real sockets: nothing lost, nothing twice (S16)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, web
from http_server import TOKENS, access, served

from parcae import Engine
from parcae import commands as c
from parcae.change import AnyEvent
from parcae.errors import Unavailable
from parcae.ports import Recorded, Store
from parcae.values import Position
from parcae_adapters.http.access import Access, Grant, digest, new_token
from parcae_adapters.http.app import CLOSING, make_app
from parcae_adapters.http.route import Scope
from parcae_adapters.http.routes import events as route
from parcae_adapters.http.routes.events import PACE, TAIL, Pace
from parcae_adapters.http.tail import Tail
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.drive import Driver
from parcae_specs.listen import Said, blocks

HEADERS = {"Authorization": f"Bearer {TOKENS[Scope.READ]}"}
PATIENCE = ClientTimeout(total=20)


@asynccontextmanager
async def serving(
    store: Store, pace: Pace | None = None, **tail: Any
) -> AsyncIterator[tuple[str, web.Application]]:
    """A server on ``store``; its address, and itself."""
    app = make_app(Engine(store=store), access=access())
    if pace is not None:
        app[PACE] = pace
    if tail:
        app[TAIL] = Tail(store, closing=app[CLOSING], **tail)
    async with served(app) as url:
        yield url + "/v1/events", app


async def said(
    session: ClientSession, url: str, last: str = "", **query: Any
) -> AsyncIterator[Said]:
    """What a server says, block by block."""
    headers = {**HEADERS, **({"Last-Event-ID": last} if last else {})}
    async with session.get(url, headers=headers, params=query, timeout=PATIENCE) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        async for one in blocks(response.content):
            yield one


async def _until(
    session: ClientSession, url: str, enough: Callable[[Said], bool], **query: Any
) -> list[Said]:
    found = []
    async for one in said(session, url, **query):
        found.append(one)
        if enough(one):
            return found
    return found


async def _reading(app: web.Application, number: int) -> None:
    """Return once so many streams have told their readers that they stand."""
    while app[TAIL].readers != number:  # noqa: ASYNC110 - nobody is told of that
        await asyncio.sleep(0.005)


async def _head(store: Store) -> int:
    return (await store.extent()).head


@pytest.mark.parametrize("seed", range(3))
def test_s16_given_connections_killed_anywhere_when_they_come_again_then_each_event_comes_once(
    tmp_path: Path, seed: int
) -> None:
    """S16: over a real server on a real file, cut off at random bytes of the answer."""

    async def play() -> None:
        store = SqliteStore(tmp_path / "jobs.db", durability="normal")
        driver = Driver(store)
        chance = Random(seed)
        writing = asyncio.create_task(_write(driver, 25))
        found: list[str] = []
        last = ""
        cuts = 0
        async with serving(store) as (url, _), ClientSession() as session:
            while not writing.done() or found[-1:] != [str(await _head(store))]:
                got = await _bytes_of(session, url, last, chance.randrange(1, 6_000))
                cuts += 1
                new = [one.id for one in got if one.event and one.id]
                found += new
                last = next((one.id for one in reversed(got) if one.id), last)
        await writing
        every = [str(one.position) for one in await store.log()]
        assert found == every
        assert cuts > 5
        await store.close()

    asyncio.run(play())


async def _write(driver: Driver, jobs: int) -> None:
    for _ in range(jobs):
        await driver.finished()


async def _bytes_of(session: ClientSession, url: str, last: str, most: int) -> list[Said]:
    """What of ``most`` bytes is whole; then the connection is torn, in the middle of anything."""
    headers = {**HEADERS, **({"Last-Event-ID": last} if last else {})}
    data = b""
    params = {"after": "0"}
    async with session.get(url, headers=headers, params=params, timeout=PATIENCE) as response:
        while len(data) < most:
            try:
                part = await asyncio.wait_for(response.content.read(most - len(data)), 0.3)
            except TimeoutError:
                break
            data += part
        if response.connection is not None and response.connection.transport is not None:
            response.connection.transport.abort()
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return [one async for one in blocks(reader)]


def test_given_no_position_when_somebody_comes_then_only_what_follows_is_told() -> None:
    async def play() -> None:
        driver = Driver(MemoryStore())
        await driver.submit()
        async with serving(driver.store) as (url, _), ClientSession() as session:
            async with session.get(url, headers=HEADERS, timeout=PATIENCE) as response:
                # Once the first line is there, the position from which it reads is fixed.
                await response.content.readline()
                job = await driver.submit()
                coming = blocks(response.content)
                first = await anext(coming)
            assert (first.id, first.event) == ("3", "parcae.job.submitted")
            cloud = json.loads(first.data)
            assert cloud["subject"] == cloud["data"]["job_id"] == job
            assert cloud["type"] == first.event

    asyncio.run(play())


def test_given_filters_when_events_come_then_only_those_are_told_and_the_others_are_passed() -> (
    None
):
    async def play() -> None:
        driver = Driver(MemoryStore())
        first, second = await driver.submit(), await driver.submit()
        async with (
            serving(driver.store, Pace(beat=0.02), tick=timedelta(milliseconds=20)) as (url, _),
            ClientSession() as session,
        ):
            head = str(await _head(driver.store))
            query = {"after": "0", "job": first, "type": "parcae.job.submitted"}
            found = await _until(session, url, lambda one: one.id == head, **query)
            assert [one.id for one in found if one.event] == ["1"]
            assert found[-1] == Said(id=head), "how far it is, without an event"
            assert second

    asyncio.run(play())


@pytest.mark.parametrize(
    ("query", "headers", "says"),
    [
        ({"after": "-1"}, {}, "after"),
        ({"after": "one"}, {}, "after"),
        ({"after": "9" * 40}, {}, "after"),
        ({}, {"Last-Event-ID": "x"}, "Last-Event-ID"),
        ({"type": "parcae.job.exploded"}, {}, "type"),
        ({"kind": "a\x00b"}, {}, "kind"),
        ({"colour": "red"}, {}, "colour"),
        ([("job", str(number)) for number in range(101)], {}, "job"),
    ],
)
def test_given_what_makes_no_sense_when_it_is_asked_then_a_problem_says_what_was_expected(
    query: Any, headers: dict[str, str], says: str
) -> None:
    async def play() -> None:
        async with serving(MemoryStore()) as (url, app), ClientSession() as session:
            response = await session.get(url, params=query, headers={**HEADERS, **headers})
            problem = await response.json(content_type="application/problem+json")
            assert response.status == (422 if says in ("type", "kind") else 400)
            assert says in problem["detail"]
            assert app[TAIL].readers == 0

    asyncio.run(play())


def test_given_a_token_that_may_not_read_when_it_comes_then_it_is_refused() -> None:
    async def play() -> None:
        async with serving(MemoryStore()) as (url, _), ClientSession() as session:
            headers = {"Authorization": f"Bearer {TOKENS[Scope.WORK]}"}
            assert (await session.get(url)).status == 401
            assert (await session.get(url, headers=headers)).status == 403
            assert (await session.head(url, headers=HEADERS)).status == 200

    asyncio.run(play())


def test_given_a_stream_when_its_token_is_revoked_then_it_ends_before_it_tells_anything_more() -> (
    None
):
    async def play() -> None:
        store, token = MemoryStore(), new_token()
        known = [Grant(name="a", digest=digest(token), scopes=(Scope.READ,))]
        app = make_app(Engine(store=store), access=Access(lambda: tuple(known)))
        app[PACE] = Pace(look=0.0)
        driver = Driver(store)
        async with served(app) as url, ClientSession() as session:
            headers = {"Authorization": f"Bearer {token}"}
            async with session.get(f"{url}/v1/events", headers=headers, timeout=PATIENCE) as got:
                await _reading(app, 1)
                await driver.submit()
                told = await got.content.readuntil(b"}\n\n")
                known.clear()
                await driver.submit()
                rest = await got.content.read()
        assert b"event: parcae.job.submitted" in told
        assert b"the token is good for nothing any more" in rest
        assert b"submitted" not in rest

    asyncio.run(play())


def test_s16_given_deleted_jobs_when_a_reader_comes_from_before_then_it_is_told_to_start_anew() -> (
    None
):
    """S16: a position older than retention gets a ``reset`` event, never a silent gap."""

    async def play() -> None:
        driver = Driver(MemoryStore())
        job = await driver.finished()
        whole = await _head(driver.store)
        await driver.tell(job, c.Delete())
        async with serving(driver.store) as (url, _), ClientSession() as session:
            head = str(await _head(driver.store))
            told = await _until(session, url, lambda one: one.id == head, after="1")
            reset, gone = (one for one in told if one.event)
            assert (reset.event, reset.id) == ("reset", str(whole))
            assert json.loads(reset.data) == {"after": 1, "position": whole}
            assert gone.event == "parcae.job.deleted"

    asyncio.run(play())


def test_given_a_quiet_time_when_a_reader_waits_then_comments_without_an_id_keep_it_alive() -> None:
    async def play() -> None:
        pace = Pace(beat=0.02)
        async with (
            serving(MemoryStore(), pace, tick=timedelta(milliseconds=10)) as (url, _),
            ClientSession() as session,
            session.get(url, headers=HEADERS, timeout=PATIENCE) as response,
        ):
            lines = [await response.content.readline() for _ in range(8)]
        assert lines.count(b": still here\n") >= 2
        assert not [line for line in lines if line.startswith((b"id", b"event", b"data"))]

    asyncio.run(play())


def test_given_as_many_streams_as_may_be_when_another_comes_then_it_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(route, "STREAMS", 1)

    async def play() -> None:
        async with (
            serving(MemoryStore(), tick=timedelta(milliseconds=10)) as (url, app),
            ClientSession() as session,
        ):
            async with session.get(url, headers=HEADERS):
                refused = await session.get(url, headers=HEADERS)
                assert refused.status == 503
                assert int(refused.headers["Retry-After"]) > 0
            await _reading(app, 0)
            async with session.get(url, headers=HEADERS) as again:
                assert again.status == 200

    asyncio.run(play())


def test_given_a_server_that_stops_when_readers_wait_then_their_streams_end_and_say_so() -> None:
    async def play() -> None:
        async with serving(MemoryStore()) as (url, app), ClientSession() as session:
            async with session.get(url, headers=HEADERS, timeout=PATIENCE) as response:
                await response.content.readline()
                app[CLOSING].set()
                rest = await asyncio.wait_for(response.content.read(), 5)
            assert b"the server is stopping" in rest
            refused = await session.get(url, headers=HEADERS)
            assert refused.status == 503

    asyncio.run(play())


class Failing(MemoryStore):
    """Its log cannot be read for once."""

    failing = False

    async def log(
        self, after: Position = Position(0), limit: int = 1_000
    ) -> Sequence[Recorded[AnyEvent]]:
        if self.failing:
            raise Unavailable("the disk is busy")
        return await super().log(after, limit)


def test_s16_given_a_log_that_cannot_be_read_when_it_can_again_then_a_reader_goes_on() -> None:
    """S16: nothing but events and comments ever stands in a stream that has begun."""

    async def play() -> None:
        driver = Driver(Failing())
        await driver.submit()
        async with serving(driver.store) as (url, _), ClientSession() as session:
            driver.store.failing = True  # type: ignore[attr-defined]
            response = await session.get(url, headers=HEADERS, params={"after": "0"})
            text = await asyncio.wait_for(response.text(), 5)
            assert response.status == 200
            assert text.splitlines()[-2:] == [
                ": the log cannot be read now; come again with the last id",
                "",
            ]
            assert "HTTP/1.1" not in text
            driver.store.failing = False  # type: ignore[attr-defined]
            told = await _until(session, url, lambda one: one.id == "2", after="0")
            assert [one.id for one in told if one.event] == ["1", "2"]

    asyncio.run(play())


def test_s16_given_a_slow_reader_when_others_keep_up_then_it_alone_is_cut_off_and_can_resume() -> (
    None
):
    """S16: what a slow reader has not taken it gets when it comes again."""

    async def play() -> None:
        driver = Driver(MemoryStore())
        pace = Pace(stall=0.3, farewell=0.1)
        async with serving(driver.store, pace, window=500) as (url, app):
            slow = await _raw(url)
            async with ClientSession() as session:
                quick = asyncio.create_task(_until(session, url, _is_last, after="0"))
                await _reading(app, 2)
                job = await driver.submit()
                notes = 0
                while app[TAIL].readers > 1 or notes < 200:
                    # Much at once, for the system's own buffers take a good deal.
                    await asyncio.gather(*(_annotate(driver, job) for _ in range(200)))
                    notes += 200
                    assert notes < 100_000, "the slow reader was never cut off"
                await driver.tell(job, c.Cancel())
                got = [one.id for one in await quick if one.event]
                assert got == [str(one.position) for one in await _log(driver.store)]
                seen = await _drained(*slow)
                missed = await _until(session, url, _is_last, last=seen[-1])
                assert seen + [one.id for one in missed if one.event] == got

    asyncio.run(play())


def _is_last(one: Said) -> bool:
    return one.event == "parcae.job.cancelled"


async def _annotate(driver: Driver, job: Any) -> None:
    await driver.tell(job, c.Annotate(by="x" * 200, note=""))


async def _log(store: Store) -> Sequence[Any]:
    found: list[Any] = []
    while some := await store.log(found[-1].position if found else 0):  # type: ignore[arg-type]
        found += some
    return found


async def _raw(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A reader that asks, and then takes nothing."""
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**10)
    asked = f"GET /v1/events?after=0 HTTP/1.0\r\nHost: {host}:{port}\r\n"
    writer.write(f"{asked}Authorization: {HEADERS['Authorization']}\r\n\r\n".encode())
    await writer.drain()
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def _drained(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[str]:
    """The ids of the events that had been sent to it as a whole."""
    data = b""
    try:
        while part := await reader.read(2**16):
            data += part
    except ConnectionError:
        pass
    writer.close()
    again = asyncio.StreamReader()
    again.feed_data(data)
    again.feed_eof()
    return [one.id async for one in blocks(again) if one.event]


@pytest.mark.alone
def test_s16_given_a_hundred_streams_when_jobs_run_then_each_gets_every_event_in_order() -> None:
    """S16: one tail tells all of them."""

    async def play() -> None:
        driver = Driver(MemoryStore())
        async with serving(driver.store) as (url, app), ClientSession() as session:
            session._connector._limit = 0  # type: ignore[union-attr]
            streams = [
                asyncio.create_task(_until(session, url, _is_last, after="0")) for _ in range(100)
            ]
            await _reading(app, 100)
            for _ in range(20):
                await driver.finished()
            await driver.tell(await driver.submit(), c.Cancel())
            expected = [str(one.position) for one in await driver.store.log()]
            for found in await asyncio.gather(*streams):
                assert [one.id for one in found if one.event] == expected

    asyncio.run(play())
