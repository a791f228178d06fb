"""The HTTP interface on a real server: jobs, queues, groups, schedules, and every wrong body."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from http_server import Client, serving
from hypothesis import given, settings
from hypothesis import strategies as st

from parcae import Context, Engine, Jobs
from parcae.errors import Conflict, Corrupt, LeaseLost, Reason, Rejected, Unavailable
from parcae.events import Annotated, Cancelled
from parcae.expecting import Unexpected
from parcae.queues import queue_stream
from parcae.queues.events import QueuePaused
from parcae.values import JobId, StreamId, Version
from parcae_adapters.http.bodies import DEEPEST, MOST_BYTES, parse
from parcae_adapters.http.problems import KINDS, Problem, of_error
from parcae_adapters.http.route import Scope
from parcae_adapters.memory import MemoryStore
from parcae_adapters.worker import Worker

jobs = Jobs()


@jobs.job("greet", queue="mail")
def greet(ctx: Context, name: str, times: int = 1) -> str:  # noqa: ARG001
    return f"hello {name}" * times


Use = Callable[[Client, Engine], Coroutine[Any, Any, None]]


def on_a_server(use: Use, defined: Jobs | None = None) -> None:
    """Run ``use`` with a client of a server of its own."""

    async def main() -> None:
        async with Engine(MemoryStore()) as engine, serving(engine, defined) as client:
            await use(client, engine)

    asyncio.run(main())


async def submitted(client: Client, **body: Any) -> str:
    """The id of a new job."""
    response = await client("POST", "/v1/jobs", json={"kind": "greet", **body})
    assert response.status == 201, await response.text()
    found: str = (await response.json())["id"]
    return found


async def problem(response: Any, slug: str, status: int) -> dict[str, Any]:
    """The document of an answer that must be this problem."""
    assert response.content_type == "application/problem+json", await response.text()
    document: dict[str, Any] = await response.json()
    assert document["type"] == f"urn:parcae:problem:{slug}", document
    assert document["status"] == response.status == status
    return document


def test_given_a_definition_when_a_job_is_submitted_then_it_runs_and_tells_its_result() -> None:
    async def use(client: Client, engine: Engine) -> None:
        job_id = await submitted(client, arguments={"name": "ann", "times": 2})
        async with Worker(engine, jobs):
            await engine.wait(JobId(job_id))
        shown = await client("GET", f"/v1/jobs/{job_id}?payload=true")
        record = await shown.json()
        assert (record["status"], record["freshness"]) == ("completed", "settled")
        assert record["payload"] == {"name": "ann", "times": 2}
        assert record["results"] == {"run": "hello annhello ann"}
        assert shown.headers["ETag"] == f'"{record["version"]}"'
        timeline = await (await client("GET", f"/v1/jobs/{job_id}/timeline")).json()
        assert {one["span"] for one in timeline["intervals"]} >= {"attempt", "phase"}
        why = await (await client("GET", f"/v1/jobs/{job_id}/why")).json()
        assert why["id"] == job_id
        assert why["status"] == "completed"

    on_a_server(use, jobs)


def test_given_definitions_when_a_submission_does_not_fit_then_it_is_told_where() -> None:
    async def use(client: Client, _: Engine) -> None:
        for body, field in (
            ({"arguments": {"name": 5}}, "$.arguments"),
            ({"arguments": {"nme": "ann"}}, "$.arguments"),
            ({"arguments": {"name": "ann"}, "queue": "other"}, "$.queue"),
            ({"kind": "greeet"}, "$.kind"),
        ):
            response = await client("POST", "/v1/jobs", json={"kind": "greet", **body})
            document = await problem(response, "bad-input", 422)
            assert document["faults"][0]["field"] == field
        listed = await (await client("GET", "/v1/jobs")).json()
        assert listed == {"jobs": [], "next_page_token": ""}

    on_a_server(use, jobs)


def test_given_a_key_when_it_comes_again_then_it_is_the_same_job_and_another_body_is_refused() -> (
    None
):
    """S17 over the wire, many at once: none is told that another is in flight."""

    async def use(client: Client, _: Engine) -> None:
        headers = {"Idempotency-Key": "order-17"}

        async def submit() -> tuple[int, str]:
            response = await client("POST", "/v1/jobs", json={"kind": "a"}, headers=headers)
            return response.status, (await response.json())["id"]

        answers = await asyncio.gather(*(submit() for _ in range(20)))
        assert sorted(status for status, _ in answers) == [200] * 19 + [201]
        assert len({job_id for _, job_id in answers}) == 1
        other = await client("POST", "/v1/jobs", json={"kind": "b"}, headers=headers)
        await problem(other, "key-reused", 422)
        bad = await client("POST", "/v1/jobs", json={"kind": "b"}, headers={"Idempotency-Key": ""})
        await problem(bad, "invalid-header", 400)
        # Which of two would count depends on who reads them.
        two = [("Idempotency-Key", "order-17"), ("Idempotency-Key", "order-18")]
        both = await client("POST", "/v1/jobs", json={"kind": "a"}, headers=two)
        await problem(both, "invalid-header", 400)
        assert len((await (await client("GET", "/v1/jobs")).json())["jobs"]) == 1

    on_a_server(use)


def test_given_a_version_that_was_seen_when_the_job_moved_on_then_no_change_is_made() -> None:
    """S18: of many that saw the same version exactly one changes it, whoever is first."""

    async def use(client: Client, engine: Engine) -> None:
        job_id = await submitted(client)
        seen = (await client("GET", f"/v1/jobs/{job_id}")).headers["ETag"]
        answers = await asyncio.gather(
            *(
                client(
                    "POST",
                    f"/v1/jobs/{job_id}:annotate",
                    json={"note": str(number)},
                    headers={"If-Match": seen},
                )
                for number in range(10)
            )
        )
        assert sorted(one.status for one in answers) == [200] + [412] * 9
        refused = next(one for one in answers if one.status == 412)
        document = await problem(refused, "precondition-failed", 412)
        assert refused.headers["ETag"] == f'"{document["version"]}"' != seen
        events = [one.event for one in await engine.history(JobId(job_id))]
        assert sum(isinstance(one, Annotated) for one in events) == 1
        for tag in ('W/"3"', "3", '"x"', '""'):
            response = await client("DELETE", f"/v1/jobs/{job_id}", headers={"If-Match": tag})
            await problem(response, "precondition-failed", 412)
        for tag in (f'"999", {refused.headers["ETag"]}', "*"):
            headers = {"If-Match": tag}
            response = await client("POST", f"/v1/jobs/{job_id}:cancel", headers=headers)
            assert response.status == 200

    on_a_server(use)


def test_given_an_expectation_when_the_rule_runs_then_it_is_decided_in_the_transaction() -> None:
    async def main() -> None:
        async with Engine(MemoryStore()) as engine:
            done = await engine.submit(greet("ann"))
            job = await engine.show(done.job_id)
            with pytest.raises(Unexpected) as raised:
                await engine.cancel(job.id, expected=(Version(job.version + 1),))
            assert isinstance(raised.value, Conflict)
            assert raised.value.version == job.version
            await engine.cancel(job.id, expected=(job.version,))
            with pytest.raises(Rejected) as missing:
                await engine.annotate(JobId("none"), "x", expected=(Version(1),))
            assert missing.value.reason is Reason.NOT_FOUND

    asyncio.run(main())


def test_given_a_change_when_it_is_recorded_then_it_names_the_token_and_not_its_secret() -> None:
    async def use(client: Client, engine: Engine) -> None:
        job_id = await submitted(client)
        await client("POST", f"/v1/jobs/{job_id}:annotate", json={"note": "n"}, scope=Scope.OPERATE)
        await client("POST", f"/v1/jobs/{job_id}:cancel", json={"reason": "r"}, scope=Scope.OPERATE)
        await client("POST", "/v1/queues/mail:pause", scope=Scope.ADMIN)
        events = [one.event for one in await engine.history(JobId(job_id))]
        assert [one.by for one in events if isinstance(one, Annotated)] == ["operate"]
        assert [one.request.by for one in events if isinstance(one, Cancelled) and one.request] == [
            "operate"
        ]
        paused = [one.event for one in await engine.store.record(queue_stream("mail"))]
        assert [one.by for one in paused if isinstance(one, QueuePaused)] == ["admin"]

    on_a_server(use)


def test_given_names_like_verbs_and_paths_then_each_queue_is_the_one_that_was_meant() -> None:
    async def use(client: Client, engine: Engine) -> None:
        assert (await client("POST", "/v1/queues/a%3Apause:limit", json={"limit": 3})).status == 200
        assert (await client("POST", "/v1/queues/a%2Fb:pause")).status == 200
        assert (await client("POST", "/v1/queues/%C3%A9t%C3%A9%20%25:pause")).status == 200
        assert (await engine.queue("a:pause")).bounds.limit == 3
        for name in ("a/b", "été %"):
            assert (await engine.queue(name)).paused
        assert not (await engine.queue("a")).paused
        await problem(await client("POST", "/v1/queues/a:stop"), "no-such-path", 404)
        await problem(await client("POST", "/v1/queues/%FF:pause"), "no-such-path", 404)
        await problem(await client("POST", "/v1/queues/a%00:pause"), "bad-input", 422)

    on_a_server(use)


def test_given_pages_when_they_are_followed_then_every_job_comes_once_and_the_end_is_empty() -> (
    None
):
    async def use(client: Client, _: Engine) -> None:
        made = [await submitted(client) for _ in range(7)]
        found: list[str] = []
        token = ""
        while True:
            page = await client("GET", "/v1/jobs", params={"limit": "3", "page_token": token})
            document = await page.json()
            found += [one["id"] for one in document["jobs"]]
            token = document["next_page_token"]
            if not token:
                break
        assert found == sorted(made, reverse=True)
        bad = await client("GET", "/v1/jobs?page_token=made-up")
        await problem(bad, "bad-input", 422)
        history = await client("GET", f"/v1/jobs/{made[0]}/history?limit=1")
        document = await history.json()
        assert len(document["history"]) == 1
        rest = await client(
            "GET", f"/v1/jobs/{made[0]}/history?page_token={document['next_page_token']}"
        )
        versions = [one["version"] for one in (await rest.json())["history"]]
        assert versions == [2]

    on_a_server(use)


def test_given_a_graph_when_it_is_submitted_then_it_waits_as_it_says_and_is_cancelled_as_one() -> (
    None
):
    async def use(client: Client, _: Engine) -> None:
        body = {
            "jobs": [
                {"name": "first", "job": {"kind": "a"}},
                {"name": "then", "job": {"kind": "b"}, "waits_for": [{"name": "first"}]},
            ],
            "label": "two",
        }
        response = await client("POST", "/v1/groups", json=body)
        assert response.status == 201
        group = await response.json()
        assert set(group["names"]) == {"first", "then"}
        bare = group["id"].removeprefix("group/")
        shown = await (await client("GET", f"/v1/groups/{bare}")).json()
        assert (shown["size"], shown["label"], shown["status"]) == (2, "two", None)
        members = await (await client("GET", f"/v1/jobs?group={bare}")).json()
        assert {one["status"] for one in members["jobs"]} == {"scheduled", "pending"}
        done = await client("POST", f"/v1/groups/group%2F{bare}:cancel", json={"reason": "no"})
        assert (await done.json())["left"] == 0
        body["jobs"] = [
            {"name": "a", "job": {"kind": "a"}, "waits_for": [{"name": "b"}]},
            {"name": "b", "job": {"kind": "b"}, "waits_for": [{"name": "a"}]},
        ]
        await problem(await client("POST", "/v1/groups", json=body), "cycle", 422)

    on_a_server(use)


WRONG: list[tuple[bytes, str, int]] = [
    (b"", "bad-request", 400),
    (b"{", "bad-request", 400),
    (b"\xff\xfe{}", "bad-request", 400),
    (b'{"kind": "\xc3"}', "bad-request", 400),
    (b'{"kind": "a", "kind": "b"}', "bad-request", 400),
    (b'{"kind": "a", "priority": NaN}', "bad-request", 400),
    (b'{"kind": "a", "priority": 1e999}', "bad-request", 400),
    (b'{"kind": "\\ud800"}', "bad-request", 400),
    (b"[" * 100_000, "bad-request", 400),
    (b'{"kind": "a", "arguments": ' + b'{"a":' * 99 + b"1" + b"}" * 99 + b"}", "bad-request", 400),
    (b"9" * 10_000, "bad-request", 400),
    (b"[]", "invalid-body", 400),
    (b"null", "invalid-body", 400),
    (b'{"kind": 5}', "invalid-body", 400),
    (b'{"kind": ""}', "invalid-body", 400),
    (b'{"kind": "a", "bogus": 1}', "invalid-body", 400),
    (b'{"kind": "a", "priority": true}', "invalid-body", 400),
    (b'{"kind": "a", "priority": 1.5}', "invalid-body", 400),
    (b'{"kind": "a", "phases": []}', "invalid-body", 400),
    (b'{"kind": "a", "timing": {"lease": -1}}', "invalid-body", 400),
    (b'{"kind": "a\\u0000"}', "bad-input", 422),
    (b'{"kind": "a", "run_at": "2030-01-01T00:00:00"}', "bad-input", 422),
    (b'{"kind": "a", "unique": {"until": "expired"}}', "bad-input", 422),
    (b'{"kind": "a", "phases": [{"name": "x"}, {"name": "x"}]}', "bad-input", 422),
    (b'{"kind": "a", "after": [{"id": "none"}]}', "unknown-dependency", 422),
    (
        b'{"kind": "a", "arguments": {"a": "' + b"x" * 1_048_570 + b'"}}',
        "too-large",
        413,
    ),
    (b" " * (MOST_BYTES + 1), "content-too-large", 413),
]


def test_given_every_wrong_body_then_each_is_a_4xx_that_says_what_was_expected() -> None:
    """S18: nothing is admitted, and the server goes on."""

    async def use(client: Client, _: Engine) -> None:
        kind = {"Content-Type": "application/json"}
        for body, slug, status in WRONG:
            response = await client("POST", "/v1/jobs", data=io.BytesIO(body), headers=kind)
            document = await problem(response, slug, status)
            assert len(document["detail"]) > 20, body[:50]

        async def chunks() -> Any:
            for _ in range(40):
                yield b" " * 65_536

        endless = await client("POST", "/v1/jobs", data=chunks(), headers=kind)
        await problem(endless, "content-too-large", 413)
        text = await client("POST", "/v1/jobs", data=b"{}", headers={"Content-Type": "text/plain"})
        await problem(text, "unsupported-media-type", 415)
        packed = {**kind, "Content-Encoding": "gzip"}
        gzip = await client("POST", "/v1/jobs", data=b"{}", headers=packed)
        assert 400 <= gzip.status < 500
        for expectation in ("100-continue", "the-moon"):
            headers = {**kind, "Expect": expectation}
            response = await client("POST", "/v1/jobs", data=io.BytesIO(b"{"), headers=headers)
            await problem(response, "bad-request", 400)
        await problem(await client("GET", "/v1/jobs?limit=0"), "invalid-query", 400)
        await problem(await client("GET", "/v1/jobs?bogus=1"), "invalid-query", 400)
        await problem(await client("GET", "/v1/jobs?worker=a&worker=b"), "invalid-query", 400)
        await problem(await client("GET", "/v1/jobs/none"), "not-found", 404)
        await problem(await client("GET", "/v1/jobs:"), "no-such-path", 404)
        await problem(await client("PUT", "/v1/jobs"), "method-not-allowed", 405)
        assert (await client("HEAD", "/v1/jobs")).status == 200
        assert await (await client("GET", "/v1/jobs")).json() == {"jobs": [], "next_page_token": ""}

    on_a_server(use)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_given_any_value_when_it_is_written_and_parsed_then_it_is_the_same(value: object) -> None:
    assert parse(json.dumps(value).encode("utf-8", "surrogatepass")) == value


@given(st.binary(max_size=200) | st.text('[]{}",:\\u0d8 1e', max_size=80).map(str.encode))
def test_given_any_bytes_when_they_are_parsed_then_it_is_a_value_or_a_problem(data: bytes) -> None:
    def slug() -> str:
        try:
            return f"value {parse(data)!r:.10}"
        except Problem as refused:
            return refused.kind.slug

    assert slug() == "bad-request" or slug().startswith("value ")


@settings(max_examples=40)
@given(st.integers(1, DEEPEST + 20), st.booleans())
def test_given_a_depth_when_it_is_parsed_then_exactly_what_is_too_deep_is_refused(
    depth: int, quoted: bool
) -> None:
    deep = b"[" * depth + (b'"[[[[\\"[[[["' if quoted else b"1") + b"]" * depth
    if depth <= DEEPEST:
        parse(deep)
    else:
        with pytest.raises(Problem):
            parse(deep)


def test_given_the_largest_body_of_names_when_one_stands_twice_then_it_is_told_in_no_time() -> None:
    names = ",".join(f'"{number}":0' for number in range(150_000))
    data = f'{{{names},"twice":0,"twice":0}}'.encode()
    assert len(data) < MOST_BYTES
    began = time.process_time()
    with pytest.raises(Problem, match="'twice' stands twice"):
        parse(data)
    # Name by name against all others it would take minutes.
    assert time.process_time() - began < 5


def test_given_every_error_of_the_kernel_then_its_problem_is_stable_and_shows_no_inside() -> None:
    """S28: the reason of a refusal is in the answer."""
    for reason in Reason:
        told = of_error(
            Rejected(reason, "why", status="running", command="Fail", lawful=["Cancel"])
        )
        assert told.document()["reason"] == str(reason)
        assert 400 <= told.kind.status < 500
    assert of_error(LeaseLost(Reason.EXPIRED, "gone")).kind.slug == "lease-lost"
    assert of_error(Conflict(Reason.MOVED_ON, "gone")).kind.slug == "conflict"
    busy = of_error(Unavailable("/var/secret/jobs.db is locked"))
    assert (busy.kind.status, busy.headers["Retry-After"]) == (503, "1")
    for error in (Corrupt("row 5: secret", job_id="j"), KeyError("secret"), busy):
        assert "secret" not in json.dumps(of_error(error).document())
    assert len({kind.type for kind in KINDS}) == len(KINDS)


def test_given_workers_when_they_are_listed_then_each_is_told_of_with_what_it_holds() -> None:
    async def use(client: Client, _: Engine) -> None:
        said = {"id": "w1", "host": "box", "kinds": ["greet"], "capacity": 4}
        assert (await client("POST", "/v1/workers", json=said, scope=Scope.WORK)).status == 204
        await submitted(client)
        for worker in ("w1", "w2"):
            await submitted(client)
            claim = {"worker": worker, "kinds": ["greet"], "request": "1"}
            await client("POST", "/v1/leases", json=claim, scope=Scope.WORK)
        response = await client("GET", "/v1/workers", scope=Scope.READ)
        first, second = (await response.json())["workers"]
        assert (first["worker"], first["state"], first["jobs"]) == ("w1", "busy", 1)
        assert (first["host"], first["kinds"], first["capacity"]) == ("box", ["greet"], 4)
        # This one holds a lease, and has never said who it is.
        assert (second["worker"], second["jobs"], second["host"]) == ("w2", 1, None)
        assert (await client("GET", "/v1/workers", scope=Scope.WORK)).status == 403

    on_a_server(use)


def test_given_a_job_when_it_is_deleted_then_only_that_stays() -> None:
    async def use(client: Client, engine: Engine) -> None:
        job_id = await submitted(client)
        refused = await client("DELETE", f"/v1/jobs/{job_id}")
        assert refused.status == 409
        await client("POST", f"/v1/jobs/{job_id}:cancel")
        again = await client("POST", f"/v1/jobs/{job_id}:retry", json={"mode": "from_start"})
        assert again.status == 201
        assert (await client("DELETE", f"/v1/jobs/{job_id}")).status == 204
        await problem(await client("GET", f"/v1/jobs/{job_id}"), "not-found", 404)
        history = await (await client("GET", f"/v1/jobs/{job_id}/history")).json()
        assert [one["event"]["type"] for one in history["history"]] == ["deleted"]
        log = await engine.store.log()
        assert StreamId(job_id) in {one.stream for one in log}

    on_a_server(use)
