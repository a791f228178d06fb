"""``python -m parcae_specs.soak.lanes``: the long stress of limits; writes ``specs/lanes.md``."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from parcae_specs.soak.lanes.run import Stressed, stress
from parcae_specs.soak.lanes.work import LIMITS, PACE

PAGE = Path("specs/lanes.md")


def main() -> int:
    """Stress, tell, and fail if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m parcae_specs.soak.lanes", description=__doc__)
    parser.add_argument("--each", type=int, default=500, help="executions of each action (500)")
    parser.add_argument("--kills", type=int, default=30, help="workers to kill (30)")
    parser.add_argument("--seed", type=int, default=1, help="what is killed when (1)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parcae-lanes-") as folder:
        stressed = asyncio.run(
            stress(Path(folder), each=given.each, kills=given.kills, seed=given.seed)
        )
    page = _page(stressed, given.seed)
    print(page)
    if PAGE.parent.is_dir():
        PAGE.write_text(page)
    return 1 if stressed.wrong else 0


def _page(stressed: Stressed, seed: int) -> str:
    rows = "\n".join(
        f"| {action} | {limit} | {stressed.most.get(action, 0)} | {PACE[action] * 1_000:.0f} ms |"
        for action, limit in LIMITS.items()
    )
    ends = ", ".join(f"{count} {status}" for status, count in sorted(stressed.by_status.items()))
    wrong = "\n".join(f"- {one}" for one in stressed.wrong) or "Nothing was wrong."
    command = f"--each {stressed.each} --kills {stressed.kills} --seed {seed}"
    return f"""# Limits under stress

Three worker processes on one SQLite file, killed with SIGKILL at random moments and replaced,
while {stressed.each} executions of each of three actions wait in one queue, each action under a key
with a limit of its own. Repeat it with `python -m parcae_specs.soak.lanes {command}`.

| action | limit | held a slot at once, at the most | a handler takes on average |
|---|---|---|---|
{rows}

{stressed.kills} kills, {stressed.starts} leases, {stressed.seconds:.0f} s; the jobs ended: {ends}.

By the log alone, replayed in its order: no start while the slots held in its lane reached the
limit (S6), none before an earlier job of its lane and priority that was due (S7), every job ended
(L1, L2), every stored row the fold of its events (S5).

{wrong}
"""


if __name__ == "__main__":
    raise SystemExit(main())
