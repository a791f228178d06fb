"""``python -m parcae_specs.bench``: ratios with their spread; writes ``docs/benchmarks.md``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from parcae_specs.bench.load import AT_ONCE
from parcae_specs.bench.smoke import Ratio, compare
from parcae_specs.bench.syncs import per_job

PAGE = Path("docs/benchmarks.md")


def main() -> int:
    """Measure, tell, and write it down."""
    parser = argparse.ArgumentParser(prog="python -m parcae_specs.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="turns of both (9)")
    parser.add_argument("--jobs", type=int, default=3_000, help="jobs in each turn (3000)")
    parser.add_argument("--folder", help="on the disk that is to be measured")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parcae-bench-", dir=given.folder) as folder:
        ratios = compare(Path(folder), rounds=given.rounds, count=given.jobs)
        syncs = per_job(Path(folder))
    page = _page(ratios, syncs, given.rounds, given.jobs)
    print(page)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page)
    return 0


def _page(ratios: tuple[Ratio, Ratio | None], syncs: float, rounds: int, jobs: int) -> str:
    alone, worker = ratios
    return f"""# Benchmarks

Absolute times say little about another machine, so these are ratios, measured in turns in one run.
Repeat them with `make bench ARGS='--rounds {rounds} --jobs {jobs}'`.

No-op jobs, {AT_ONCE} at once, one process, `synchronous=FULL`, in jobs a second, as a share of
what a plain `sqlite3` loop does that writes the same rows (every version of each, as recorded from
the store), {AT_ONCE} jobs a commit:

| load | median | lowest | highest | wanted |
|---|---|---|---|---|
| the use cases alone: submit, claim, start, complete {_row(alone)} | ≥ 0.35 |
| with a worker, a handler, and a client that waits for the end {_row(worker)} | |

`fsync` and `fdatasync` for each job of the first load, counted by strace: {syncs:.3f} (wanted:
≤ 0.10).

For scale: this run did {max(alone.ours):.0f} jobs a second at best, the plain loop
{max(alone.plain):.0f}.
"""


def _row(ratio: Ratio | None) -> str:
    if ratio is None:
        return "| | | "
    return f"| {ratio.median:.2f} | {min(ratio.rounds):.2f} | {max(ratio.rounds):.2f} "


if __name__ == "__main__":
    raise SystemExit(main())
