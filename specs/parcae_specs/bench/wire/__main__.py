"""``python -m parcae_specs.bench.wire``: HTTP beside plain programs, as ratios."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from parcae_specs.bench.claims import write
from parcae_specs.bench.smoke import Ratio
from parcae_specs.bench.wire import deliveries, submits

WANTED = "≥ 0.6"


def main() -> int:
    """Measure, tell, and write it down where asked to."""
    parser = argparse.ArgumentParser(prog="python -m parcae_specs.bench.wire", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of both (5)")
    parser.add_argument("--requests", type=int, default=6_000, help="in each turn (6000)")
    parser.add_argument("--folder", help="on the disk that is to be measured")
    parser.add_argument("--write", type=Path, help="the page whose section is to be replaced")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parcae-bench-", dir=given.folder) as folder:
        found = submits.compare(Path(folder), rounds=given.rounds, count=given.requests)
        sent = deliveries.compare(Path(folder), rounds=given.rounds, count=given.requests)
    text = section(found, sent)
    sys.stdout.write(text)
    if given.write is not None:
        write(given.write, text)
    return 0


def section(found: Mapping[int, Ratio], sent: Ratio) -> str:
    """The section of the page."""
    rows = [
        (f"durable submissions over {connections} connections", ratio)
        for connections, ratio in found.items()
    ]
    rows.append((f"signed deliveries over {deliveries.CONNECTIONS} connections", sent))
    return f"""## Over HTTP

Each in turns with a plain program, in one run, everything on this machine. A submission is one POST
to `/v1/jobs` with a token, durable at `synchronous=FULL`; beside it stands an aiohttp handler that
parses the body and commits it as one row, with group commit at the same durability; both are asked
by the same client, which does as little as a client can. A delivery is taken, signed, sent to a
receiver in another process and recorded; beside it stands a loop of an aiohttp client that sends as
many bytes to the same receiver, and does nothing else. Repeat it with `make bench-http`.

| load | median | lowest | highest | wanted | ours, a second | plain |
|---|---|---|---|---|---|---|
{"".join(_row(name, ratio) for name, ratio in rows)}"""


def _row(name: str, ratio: Ratio) -> str:
    shares = f"{ratio.median:.2f} | {min(ratio.rounds):.2f} | {max(ratio.rounds):.2f}"
    rates = f"{max(ratio.ours):.0f} | {max(ratio.plain):.0f}"
    return f"| {name} | {shares} | {WANTED} | {rates} |\n"


if __name__ == "__main__":
    raise SystemExit(main())
