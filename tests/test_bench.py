"""The smoke benchmark: how often the disk is written through, and a floor under the speed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from parcae_specs.bench import claims, streams
from parcae_specs.bench.smoke import compare
from parcae_specs.bench.syncs import STRACE, per_job
from parcae_specs.bench.wire import __main__ as wire
from parcae_specs.bench.wire import deliveries, submits

pytestmark = pytest.mark.alone


@pytest.mark.skipif(STRACE is None, reason="strace is not installed, which counts the syncs")
def test_given_a_hundred_jobs_at_once_then_each_costs_a_tenth_of_a_sync_at_the_most(
    tmp_path: Path,
) -> None:
    try:
        syncs = per_job(tmp_path)
    except RuntimeError as error:
        pytest.skip(f"strace may not trace here: {error}")
    # At least one commit was written through: a count of nothing would prove nothing.
    assert 0 < syncs <= 0.10


def test_given_a_plain_loop_beside_it_then_the_store_keeps_its_share(tmp_path: Path) -> None:
    """A guard against regressions, not the aim: see docs/benchmarks.md for both."""
    alone, _ = compare(tmp_path, rounds=3, count=1_000, with_worker=False)
    assert alone.median > 0.10


@pytest.mark.parametrize("backlog", claims.Backlog)
def test_given_fifty_times_the_backlog_then_a_claim_costs_no_more_than_twice_as_much(
    tmp_path: Path, backlog: claims.Backlog
) -> None:
    """The middle of many, or the quickest: what else the machine does may slow down either."""
    measured = claims.compare(tmp_path, backlog, short=1_000, long=50_000, rounds=40)
    for name, costs in asyncio.run(measured).items():
        assert min(costs.ratio, costs.best) < 2, f"{backlog}: {name}"


def test_what_is_measured_is_a_store_like_any_other(tmp_path: Path) -> None:
    """The many were not admitted one by one, but nobody could tell."""

    async def audited() -> None:
        for backlog in claims.Backlog:
            store = await claims.fill(tmp_path / f"{backlog.name}.db", 700, backlog)
            assert await store.audit() == ()
            await store.close()

    asyncio.run(audited())


def test_given_a_few_streams_when_they_are_measured_then_each_got_every_event_in_order(
    tmp_path: Path,
) -> None:
    """S16: with its readers in another process."""
    measured = streams.measure(tmp_path, streams=20, slow=0, jobs=3, pause=0, flood=0)
    found = asyncio.run(measured)
    assert found.right == found.streams == 20
    assert len(found.lags) == found.events > 12
    assert "| 20 | 0 |" in streams.section(found, found)


def test_a_section_takes_the_place_of_the_one_before_and_of_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\nFirst.\n\n## One\n\nold\n\n## Two\n\nlast\n")
    claims.write(page, "## One\n\nnew\n")
    assert page.read_text() == "# Page\n\nFirst.\n\n## One\n\nnew\n\n## Two\n\nlast\n"
    claims.write(page, "## Three\n\nmore\n")
    assert page.read_text().endswith("## Two\n\nlast\n\n## Three\n\nmore\n")


def test_given_plain_programs_beside_it_then_the_wire_keeps_its_share(tmp_path: Path) -> None:
    """A guard against regressions, not the aim: see docs/benchmarks.md for both."""
    found = submits.compare(tmp_path, rounds=2, count=400)
    sent = deliveries.compare(tmp_path, rounds=2, count=400)
    for ratio in (*found.values(), sent):
        assert max(ratio.rounds) > 0.05
    assert f"over {deliveries.CONNECTIONS} connections" in wire.section(found, sent)
