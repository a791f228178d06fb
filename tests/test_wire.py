"""What a server answers, as the exceptions that a store raises; and what is no answer at all."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from parcae.errors import Conflict, Corrupt, LeaseLost, ParcaeError, Reason, Rejected, Unavailable
from parcae_adapters.http.problems import MOST_DETAIL, of_error
from parcae_adapters.http.wire import Refused, Wire, error_of

TEXT = st.text(max_size=MOST_DETAIL)
ERRORS = st.one_of(
    st.builds(
        Rejected,
        st.sampled_from(Reason),
        TEXT,
        status=st.none() | st.sampled_from(["running", "ended"]),
        command=st.text(max_size=20),
        lawful=st.lists(st.text(max_size=10), max_size=3),
    ),
    st.builds(LeaseLost, st.sampled_from(Reason), TEXT),
    st.builds(Conflict, st.sampled_from(Reason), TEXT),
)


@given(error=ERRORS)
def test_given_any_refusal_when_it_goes_over_the_wire_then_it_is_the_same(error: Rejected) -> None:
    """S28: class, reason, words and what is lawful."""
    problem = of_error(error)
    sent = json.loads(json.dumps(problem.document()))
    found = error_of(problem.kind.status, sent)
    assert type(found) is type(error)
    assert (str(found), vars(found)) == (str(error), vars(error))


@pytest.mark.parametrize(
    ("error", "kind"), [(Unavailable("disk"), Unavailable), (Corrupt("bytes"), Corrupt)]
)
def test_given_a_fault_of_the_store_when_it_goes_over_the_wire_then_its_class_is_kept(
    error: ParcaeError, kind: type[ParcaeError]
) -> None:
    problem = of_error(error)
    found = error_of(problem.kind.status, problem.document())
    assert type(found) is kind
    assert str(error) not in str(found), "what is stored is nobody's business out there"


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """A server that is none of ours; its address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def _problem(status: int, **more: str) -> web.Response:
    document = {"type": "urn:x", "detail": "so", **more}
    return web.json_response(document, status=status)


ANSWERS: Mapping[str, tuple[Callable[[], web.Response], type[ParcaeError], str]] = {
    "no JSON": (lambda: web.Response(text="<html>"), Unavailable, "did not answer"),
    "a page of errors": (lambda: web.Response(text="<html>", status=502), Unavailable, "no server"),
    "JSON of others": (lambda: web.json_response([1], status=400), Unavailable, "no server"),
    "sent elsewhere": (
        lambda: web.Response(status=302, headers={"Location": "/no JSON"}),
        Unavailable,
        "no server",
    ),
    "unauthenticated": (lambda: _problem(401), Refused, "refuses us: so"),
    "forbidden": (lambda: _problem(403), Refused, "refuses us: so"),
    "an older server": (lambda: _problem(404), Rejected, "no such path"),
    "a body it does not take": (lambda: _problem(400), Rejected, "so"),
    "overrun": (lambda: _problem(429), Unavailable, "429"),
    "draining": (lambda: _problem(503), Unavailable, "503"),
    "too late": (lambda: _problem(504), Unavailable, "504"),
    "a newer reason": (
        lambda: _problem(409, error="Rejected", reason="full moon"),
        Rejected,
        "so",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_given_an_odd_answer_when_it_comes_then_it_is_an_error_that_a_worker_knows(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parcae_adapters.http.wire.FIRST_PAUSE", 0.001)
    make, kind, says = ANSWERS[name]
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return make()

    async def scenario() -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", answer)
        async with served(app) as url:
            wire = Wire(url, "t")
            try:
                with pytest.raises(kind, match=says) as caught:
                    await wire.ask("GET", "/asked")
                assert type(caught.value) is kind
            finally:
                wire.close()

    asyncio.run(scenario())
    assert set(asked) == {"/asked"}


def test_given_a_wire_when_it_is_closed_then_who_waits_is_told_and_its_thread_ends() -> None:
    started = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        started.set()
        await asyncio.sleep(3_600)
        return web.Response()

    async def scenario() -> None:
        app = web.Application()
        app.router.add_get("/never", never)
        before = threading.active_count()
        async with served(app) as url:
            wire = Wire(url, "t")
            assert threading.active_count() == before + 1
            waiting = asyncio.create_task(wire.ask("GET", "/never", wait=60))
            await started.wait()
            await asyncio.to_thread(wire.close)
            wire.close()
            with pytest.raises(Unavailable, match="closed"):
                await waiting
            with pytest.raises(Unavailable, match="closed"):
                await wire.ask("GET", "/never")
            assert "parcae-wire" not in {one.name for one in threading.enumerate()}

    asyncio.run(scenario())


def test_given_nobody_at_the_address_when_asked_then_it_is_unavailable_and_time_passes() -> None:
    """L8: those who wait for a server do not overrun it, and go on at once when it is back."""

    async def scenario() -> None:
        wire = Wire("http://127.0.0.1:1", "t")
        try:
            loop = asyncio.get_running_loop()
            pauses = []
            for _ in range(4):
                began = loop.time()
                with pytest.raises(Unavailable, match="did not answer"):
                    await wire.ask("GET", "/livez")
                pauses.append(loop.time() - began)
            assert pauses[3] > 0.15, pauses
        finally:
            wire.close()

    asyncio.run(scenario())
