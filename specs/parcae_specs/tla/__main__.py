"""``python -m parcae_specs.tla``: compare the two semantics; ``--race``: and their speeds."""

from __future__ import annotations

import argparse

from parcae_specs.tla.compare import compare
from parcae_specs.tla.models import DEEP, SMALL
from parcae_specs.tla.race import race
from parcae_specs.tla.tlc import Missing, tools


def main() -> int:
    """Compare each configuration; the exit status is 0 if there is no difference."""
    parser = argparse.ArgumentParser(prog="python -m parcae_specs.tla", description=__doc__)
    parser.add_argument(
        "--deep", action="store_true", help="the large configurations, each in two orders"
    )
    parser.add_argument(
        "--race", action="store_true", help="whose states come faster, by turns, on one model"
    )
    given = parser.parse_args()
    try:
        found = tools()
    except Missing as missing:
        print(f"skipped: {missing}")
        return 0
    if given.race:
        for line in race(found):
            print(line, flush=True)
        return 0
    same = True
    for comparison in compare(DEEP if given.deep else SMALL, found, deep_first=given.deep):
        print(comparison, *comparison.differences, sep="\n", flush=True)
        same = same and comparison.same
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
