"""``python -m parcae_specs.soak.wire``: kills at both ends of the wire; into ``specs/wire.md``."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from parcae_specs.soak.wire.run import Soaked, soak

PAGE = Path("specs/wire.md")
PACE = 0.4
"""Seconds between everybody's being there and the next kill, on average."""


def main() -> int:
    """Soak, tell, and fail if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m parcae_specs.soak.wire", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how often to kill (200)")
    parser.add_argument("--seed", type=int, default=None, help="who is killed when")
    given = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    with tempfile.TemporaryDirectory(prefix="parcae-wire-") as folder:
        soaked, _ = asyncio.run(soak(Path(folder), kills=given.kills, seed=seed, pace=PACE))
    page = _page(soaked, given.kills, seed)
    print(page)
    if PAGE.parent.is_dir():
        PAGE.write_text(page)
    return 1 if soaked.wrong else 0


def _page(soaked: Soaked, kills: int, seed: int) -> str:
    wrong = "\n".join(f"- {one}" for one in soaked.wrong) or "Nothing was wrong."
    workers = sum(many for name, many in soaked.kills.items() if name.startswith("worker"))
    return f"""# Soak of the wire

`parcae serve` on a SQLite file, two `parcae worker --url` without the database, and a receiver of
webhooks, each a process of its own, killed with SIGKILL at random moments and started again on the
same port. Sagas are submitted over HTTP with an idempotency key, again and again until there is an
answer, and sometimes although there was one. The receiver writes down what comes, has it on the
disk, and then answers 204, 500, 429 with `Retry-After`, or closes the connection, or never answers.
Two readers follow the stream of events, tear their connections now and then, and come again with
the last id. After every other kill or so the next server's clock is ahead by seconds or minutes, as
if it had been away so long, so that leases end and waits are over; at the end, when nobody is
killed any more and the receiver takes everything, a day passes, and another, until nothing is owed.
Repeat it with `python -m parcae_specs.soak.wire --kills {kills} --seed {seed}`.

| what | number |
|---|---|
| kills of the server | {soaked.kills["server"]} |
| kills of the receiver | {soaked.kills["receiver"]} |
| kills of workers | {workers} |
| jobs submitted, all ended | {soaked.jobs} |
| how they ended | {_counts(soaked.by_status)} |
| submissions without an answer, or made again for all that | {soaked.repeats} |
| deliveries owed | {soaked.deliveries} |
| tries begun | {soaked.tries} |
| tries whose sender was killed before it could report | {soaked.lost} |
| how the receiver answered | {_counts(soaked.moods)} |
| events in the log | {soaked.events} |
| connections of the two readers | {soaked.connections} |
| days that the servers' clock went ahead | {soaked.days:.1f} |
| seconds | {soaked.seconds:.0f} |

Held against the log: every acknowledged submission is one job, however often it was made (S17,
S27), and it ended once (L1, S1); each event that one of the two subscriptions matches is owed
exactly once (S14), and delivered (L4); the receiver has it with one id and one body, signed, no
more often than tries were recorded as begun, and none of them was signed after the delivery was
recorded (S15); in the ordered subscription none was begun before the one before it was delivered;
both readers had every event once, in order (S16); every stored row is the fold of its events (S5).

{wrong}
"""


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{many} {name}" for name, many in sorted(counted.items()))


if __name__ == "__main__":
    raise SystemExit(main())
