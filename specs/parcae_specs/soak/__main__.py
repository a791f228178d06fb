"""``python -m parcae_specs.soak``: the long soak; writes what it found to ``specs/soak.md``."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import tempfile
from pathlib import Path

from parcae_specs.soak.run import Soaked, soak
from parcae_specs.soak.work import FAST

PAGE = Path("specs/soak.md")


def main() -> int:
    """Soak, tell, and fail if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m parcae_specs.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how many workers to kill (200)")
    parser.add_argument("--seed", type=int, default=None, help="what is killed when")
    given = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    with tempfile.TemporaryDirectory(prefix="parcae-soak-") as folder:
        soaked = asyncio.run(soak(Path(folder), kills=given.kills, seed=seed))
    page = _page(soaked, seed)
    print(page)
    if PAGE.parent.is_dir():
        PAGE.write_text(page)
    return 1 if soaked.wrong else 0


def _page(soaked: Soaked, seed: int) -> str:
    ends = ", ".join(f"{count} {status}" for status, count in sorted(soaked.by_status.items()))
    wrong = "\n".join(f"- {one}" for one in soaked.wrong) or "Nothing was wrong."
    return f"""# Soak

Three worker processes on one SQLite file, killed with SIGKILL at random moments and replaced,
while sagas of three phases are submitted. Every third time one is stopped first (SIGSTOP), stands
still for twice its lease of {FAST.lease.total_seconds()} s or somewhat less, and goes on (SIGCONT).
Repeat it with `make soak ARGS='--kills {soaked.kills} --seed {seed}'`.

| what | number |
|---|---|
| kills | {soaked.kills} |
| frozen past the lease, then continued | {soaked.freezes} |
| jobs submitted, all ended | {soaked.jobs} |
| how they ended | {ends} |
| leases lost and reconciled | {soaked.losses} |
| results that came after the lease was lost | {soaked.late} |
| handlers begun | {soaked.handlers} |
| seconds | {soaked.seconds:.0f} |

Held against the histories and against the traces that the handlers left in a file of their own:
one end a job (S1), growing tokens (S3), results under a lost lease that change nothing but the
evidence (S4), no completed phase or undo run again (S11, S12), every stored row the fold of its
events (S5).

{wrong}
"""


if __name__ == "__main__":
    raise SystemExit(main())
