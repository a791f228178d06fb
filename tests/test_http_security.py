"""Closed by default: tokens, scopes, hosts, what is malformed, and that no secret is ever told."""

from __future__ import annotations

import asyncio
import logging
import re
import stat
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession
from click.testing import CliRunner
from http_server import TOKENS, Client, served, serving
from hypothesis import given, settings
from hypothesis import strategies as st

from parcae import Context, Engine, Jobs
from parcae.values import Status
from parcae_adapters.cli.app import parcae
from parcae_adapters.http.access import Access, Grant, digest, new_token
from parcae_adapters.http.app import TABLE, make_app, modules
from parcae_adapters.http.hosts import LOOPBACK, Hosts
from parcae_adapters.http.listening import PATIENCE, Address, address, listening
from parcae_adapters.http.route import IMPLIED, Scope
from parcae_adapters.http.serve import Settings
from parcae_adapters.http.throttle import Throttle
from parcae_adapters.http.tokens import TokenFile, add, read, revoke, written
from parcae_adapters.http.waiting import CROWD
from parcae_adapters.memory import MemoryStore


def test_given_no_token_or_a_wrong_one_then_nothing_but_health_is_told() -> None:
    async def main() -> None:
        async with Engine(MemoryStore()) as engine, serving(engine) as client:
            routes = [route for module in modules() for route in module.ROUTES]
            for route in routes:
                path = re.sub(r"\{\w+\}", "x", route.path)
                for headers in ({}, {"Authorization": "Bearer nobody"}, {"Authorization": "x"}):
                    if route.scope is None:
                        continue
                    got = await client(route.method, path, scope=None, headers=headers)
                    assert got.status == 401, route.path
                    assert got.headers["WWW-Authenticate"].startswith("Bearer")
            opened = {route.path for route in routes if route.scope is None}
            assert opened == {"/livez", "/readyz", "/openapi.json"}

    asyncio.run(main())


def test_given_each_scope_then_it_opens_what_it_implies_and_nothing_else() -> None:
    async def main() -> None:
        async with Engine(MemoryStore()) as engine, serving(engine) as client:
            for needed, method, path in (
                (Scope.READ, "GET", "/v1/jobs"),
                (Scope.READ, "GET", "/metrics"),
                (Scope.OPERATE, "POST", "/v1/queues/q:pause"),
                (Scope.OPERATE, "GET", "/v1/jobs/none?payload=true"),
                (Scope.OPERATE, "GET", "/v1/jobs/none/why?diagnostics=true"),
                (Scope.ADMIN, "DELETE", "/v1/jobs/none"),
            ):
                for given_scope in Scope:
                    got = await client(method, path, scope=given_scope)
                    allowed = needed in IMPLIED[given_scope]
                    assert (got.status != 403) == allowed, (path, given_scope)

    asyncio.run(main())


def test_given_a_secret_everywhere_then_no_log_event_or_problem_tells_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret, told = TOKENS[Scope.ADMIN], []

    async def main() -> None:
        async with Engine(MemoryStore()) as engine, serving(engine) as client:
            bearer = {"Authorization": f"Bearer {secret}"}
            for method, path, more in (
                ("GET", f"/v1/jobs?token={secret}", {}),
                ("GET", "/v1/jobs", {"Authorization": f"Basic {secret}"}),
                ("GET", "/v1/jobs", {"Authorization": f"Bearer {secret}x"}),
                ("POST", "/v1/queues/q:pause", bearer),
                ("GET", "/v1/jobs/none", bearer),
            ):
                got = await client(method, path, scope=None, headers=more)
                told.append(await got.text())
            body = {"kind": [secret], "priority": secret, "run_at": secret, "unique": secret}
            got = await client("POST", "/v1/jobs", json=body)
            told.append(await got.text())
            told.append(
                await _raw(client, f"GET / HTTP/1.1\r\nAuthorization: \x01{secret}\r\n\r\n")
            )
            told.append(await _raw(client, f"{secret} / nonsense\r\n\r\n"))
            told.extend(repr(one.event) for one in await engine.store.log())

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    assert "admin" in "".join(told)
    assert secret not in "".join(told)
    assert secret not in caplog.text
    assert "/v1/jobs" in caplog.text


async def _raw(client: Client, text: str) -> str:
    host, _, port = client.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(text.encode("latin-1"))
    answer = await reader.read()
    writer.close()
    assert b"application/problem+json" in answer, answer
    assert b"aiohttp" not in answer
    return answer.decode()


def test_given_too_many_wrong_tokens_then_whoever_brings_them_waits_and_no_other() -> None:
    async def main() -> None:
        token = new_token()
        guarded = Access(
            lambda: (Grant(name="a", digest=digest(token), scopes=(Scope.READ,)),),
            throttle=Throttle(burst=3, per_second=0.01),
            trusted=("127.0.0.1",),
        )
        async with Engine(MemoryStore()) as engine:
            app = make_app(engine, access=guarded)
            async with served(app) as url, ClientSession() as session:

                async def ask(given: str, *peers: str) -> int:
                    headers = [("Authorization", f"Bearer {given}")]
                    headers += [("X-Forwarded-For", peer) for peer in peers]
                    async with session.get(f"{url}/v1/jobs", headers=headers) as got:
                        return got.status

                assert [await ask("x", "10.0.0.1") for _ in range(4)] == [401, 401, 401, 429]
                assert await ask("x", "10.0.0.2") == 401
                # Behind the same address somebody else may have a good one.
                assert await ask(token, "10.0.0.1") == 200
                for forged in (["forged, 10.0.0.1"], ["forged", "10.0.0.1"], ["10.0.0.1:4711"]):
                    assert await ask("x", *forged) == 429, forged
                one = [await ask("x", f"2001:db8::{number}") for number in range(4)]
                assert one == [401, 401, 401, 429]
                assert await ask("x", "[2001:db8::9]:4711") == 429
                assert await ask("x", "2001:db8:0:1::9") == 401

    asyncio.run(main())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), max_size=60))
def test_given_any_failures_then_the_table_is_bounded_and_waiting_always_helps(
    steps: list[tuple[int, int]],
) -> None:
    now = [0.0]
    throttle = Throttle(burst=3, per_second=0.5, most_peers=4, clock=lambda: now[0])
    for peer, seconds in steps:
        throttle.failed(str(peer))
        assert len(throttle) <= 4
        now[0] += seconds
        now[0] += throttle.wait(str(peer))
        assert throttle.wait(str(peer)) == 0


def test_given_a_page_elsewhere_when_its_name_means_this_machine_then_it_is_refused() -> None:
    async def main() -> None:
        async with Engine(MemoryStore()) as engine:
            tokens = Access.of(("a", TOKENS[Scope.ADMIN], (Scope.ADMIN,)))
            app = make_app(engine, access=tokens, hosts=Hosts(LOOPBACK))
            async with served(app) as url, ClientSession() as session:
                client = Client(session, url)
                host = url.removeprefix("http://")
                for headers, status in (
                    ({}, 200),
                    ({"Host": "localhost:1"}, 200),
                    ({"Host": "evil.example"}, 421),
                    ({"Host": f"evil.example@{host}"}, 421),
                    ({"Origin": "http://evil.example"}, 403),
                    ({"Origin": "null"}, 403),
                    ({"Origin": url}, 200),
                ):
                    assert (await client("GET", "/v1/jobs", headers=headers)).status == status

    asyncio.run(main())


def test_given_a_file_of_tokens_when_it_changes_then_the_server_knows_and_fails_closed(
    tmp_path: Path,
) -> None:
    path, now = tmp_path / "tokens.toml", [0.0]
    old = add(path, "deploy", (Scope.OPERATE,))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert old not in path.read_text()
    known = TokenFile(path, clock=lambda: now[0])
    new = add(path, "deploy", (Scope.OPERATE,), datetime.now(UTC) + timedelta(days=1))
    assert len(known()) == 1
    now[0] += 1
    assert {one.digest for one in known()} == {digest(old), digest(new)}
    revoke(path, "deploy", digest(old)[:8])
    now[0] += 1
    assert [one.digest for one in known()] == [digest(new)]
    path.chmod(0o644)
    now[0] += 1
    assert not known()
    path.chmod(0o600)
    now[0] += 1
    assert len(known()) == 1
    path.write_text("token = 5")
    now[0] += 1
    assert not known()
    path.unlink()
    now[0] += 1
    assert not known()
    for content in ("[[token]]\nname = 1", "x", '[[token]]\nname="a"\nscopes=[]\nhash="sha256:00"'):
        path.write_text(content)
        path.chmod(0o600)
        with pytest.raises(ValueError, match="not a file of tokens"):
            TokenFile(path)


@given(
    st.lists(
        st.builds(
            Grant,
            name=st.text(min_size=1, max_size=20).filter(str.isprintable),
            digest=st.binary(min_size=32, max_size=32).map(bytes.hex),
            scopes=st.sets(st.sampled_from(Scope), min_size=1),
            expires=st.none()
            | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
                lambda at: at.replace(tzinfo=UTC)
            ),
        ),
        max_size=4,
    )
)
@settings(max_examples=30)
def test_given_any_tokens_when_they_are_written_then_the_same_are_read(grants: list[Grant]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokens.toml"
        path.touch(0o600)
        path.write_text(written(grants), encoding="utf-8")
        assert list(read(path)) == grants


def test_given_a_token_that_expires_when_its_claim_still_waits_then_it_is_given_nothing() -> None:
    async def main() -> None:
        token, known = new_token(), []
        known.append(Grant(name="a", digest=digest(token), scopes=(Scope.WORK,)))
        async with Engine(MemoryStore()) as engine:
            app = make_app(engine, access=Access(lambda: tuple(known)))
            async with served(app) as url, ClientSession() as session:
                headers = {"Authorization": f"Bearer {token}"}
                body = {"worker": "w", "kinds": ["greet"], "request": "1", "wait": 20}
                asking = asyncio.ensure_future(
                    session.post(f"{url}/v1/leases", headers=headers, json=body)
                )
                while not app[CROWD].waiting:  # noqa: ASYNC110 - nobody is told of that
                    await asyncio.sleep(0.005)
                known.clear()
                job_id = (await engine.submit(Jobs().job("greet")(_greet)())).admitted.job_id
                assert (await asking).status == 401
                assert (await engine.show(job_id)).status is Status.SCHEDULED

    asyncio.run(main())


def _greet(ctx: Context) -> None:
    """Nobody does."""


def test_given_an_expired_token_then_it_is_good_for_nothing() -> None:
    async def main() -> None:
        token = new_token()
        past = datetime.now(UTC) - timedelta(seconds=1)
        grants = (Grant(name="a", digest=digest(token), scopes=(Scope.READ,), expires=past),)
        async with Engine(MemoryStore()) as engine:
            app = make_app(engine, access=Access(lambda: grants))
            async with served(app) as url, ClientSession() as session:
                headers = {"Authorization": f"Bearer {token}"}
                async with session.get(f"{url}/v1/jobs", headers=headers) as got:
                    assert got.status == 401

    asyncio.run(main())


def test_given_settings_that_stand_open_then_they_are_refused_with_what_to_do(
    tmp_path: Path,
) -> None:
    tokens = tmp_path / "tokens.toml"
    everywhere = Address(host="0.0.0.0", port=0)
    with pytest.raises(ValueError, match="expected --tokens"):
        Settings(listen=everywhere)
    with pytest.raises(ValueError, match="expected TLS"):
        Settings(listen=everywhere, tokens=tokens)
    with pytest.raises(ValueError, match="together"):
        Settings(listen=everywhere, tokens=tokens, key=tokens)
    Settings(listen=everywhere, tokens=tokens, trusted=("10.0.0.1",))
    for text in ("127.0.0.1:1", "[::1]:1", "localhost:1", "1"):
        assert address(text).loopback
    for text in ("0.0.0.0:1", "example.org:1", "[::]:1"):
        assert not address(text).loopback
    for text in ("", "a:b", "a:99999", "a"):
        with pytest.raises(ValueError, match="expected HOST:PORT"):
            address(text)


def test_given_more_connections_than_the_server_takes_on_then_the_next_is_told() -> None:
    async def main() -> None:
        async with Engine(MemoryStore()) as engine:
            app = make_app(engine, access=Access.of())
            here = Address(host="127.0.0.1", port=0)
            async with listening(app, here, connections=2, drain=0.1) as url:
                port = int(url.rpartition(":")[2])
                held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
                for _, writer in held:
                    writer.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
                for reader, _ in held:
                    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                assert (await reader.read()).startswith(b"HTTP/1.1 503")
                for one in (writer, *(writer for _, writer in held)):
                    one.close()

    asyncio.run(main())


def test_given_a_connection_on_which_nothing_is_asked_then_it_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert PATIENCE <= 30
    monkeypatch.setattr("parcae_adapters.http.listening.PATIENCE", 0.2)

    async def main() -> None:
        async with (
            Engine(MemoryStore()) as engine,
            served(make_app(engine, access=Access.of())) as url,
        ):
            port = int(url.rpartition(":")[2])
            silent, one = await asyncio.open_connection("127.0.0.1", port)
            asking, other = await asyncio.open_connection("127.0.0.1", port)
            one.write(b"GET /livez HT")
            other.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await asking.readline()).startswith(b"HTTP/1.1 200")
            with suppress(ConnectionResetError):
                assert await silent.read() == b""
            other.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"ok" in await asking.readuntil(b'"ok"}')
            one.close()
            other.close()

    asyncio.run(main())


def test_given_the_verb_token_then_it_makes_lists_and_revokes(tmp_path: Path) -> None:
    path = str(tmp_path / "tokens.toml")

    def run(*args: str) -> str:
        result = CliRunner().invoke(parcae, ["token", *args, "--tokens", path])
        assert result.exit_code == 0, result.stderr
        return result.stdout

    token = run("new", "ann", "--scope", "read", "--scope", "work").strip()
    run("new", "ann", "--expires", "1d")
    listed = run("list")
    assert token not in listed
    assert listed.count("ann") == 2
    assert "read, work" in listed
    run("revoke", "ann")
    assert "ann" not in run("list")
    missing = CliRunner().invoke(parcae, ["token", "revoke", "ann", "--tokens", path])
    assert missing.exit_code == 2
    assert "there is no token" in missing.stderr


def test_given_every_route_then_a_token_and_a_scope_stand_before_it() -> None:
    async def main() -> None:
        async with Engine(MemoryStore()) as engine:
            app = make_app(engine, access=Access.of(), open_metrics=True)
            opened = {route.path for route in app[TABLE].routes if route.scope is None}
            assert opened == {"/livez", "/readyz", "/openapi.json", "/metrics"}

    asyncio.run(main())
