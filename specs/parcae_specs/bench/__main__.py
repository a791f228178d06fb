"""``python -m parcae_specs.bench``: ratios with their spread; writes ``docs/benchmarks.md``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from parcae_specs.bench.smoke import AT_ONCE, Ratio, compare
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
        ratio = compare(Path(folder), rounds=given.rounds, count=given.jobs)
        syncs = per_job(Path(folder))
    page = _page(ratio, syncs, given.rounds, given.jobs)
    print(page)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page)
    return 0


def _page(ratio: Ratio, syncs: float, rounds: int, jobs: int) -> str:
    low, high = min(ratio.rounds), max(ratio.rounds)
    return f"""# Benchmarks

Absolute times say little about another machine, so these are ratios, measured in turns in one run.
Repeat them with `make bench ARGS='--rounds {rounds} --jobs {jobs}'`.

| what | median | lowest | highest | wanted |
|---|---|---|---|---|
| no-op jobs a second, {AT_ONCE} at once, `synchronous=FULL`, one process with its worker, \
as a share of a plain `sqlite3` loop that writes the same rows, {AT_ONCE} jobs a commit \
| {ratio.median:.2f} | {low:.2f} | {high:.2f} | ≥ 0.35 |
| `fsync` and `fdatasync` for each of these jobs (strace) | {syncs:.3f} | | | ≤ 0.10 |

For scale: this run did {max(ratio.ours):.0f} jobs a second at best, the plain loop \
{max(ratio.plain):.0f}.
"""


if __name__ == "__main__":
    raise SystemExit(main())
