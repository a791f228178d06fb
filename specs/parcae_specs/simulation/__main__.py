"""``python -m parcae_specs.simulation --seeds N``: many seeds, or the story of one."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from datetime import timedelta

from parcae_specs.simulation.run import Simulated, simulate


def main() -> int:
    """Simulate, tell, and fail if anything broke."""
    parser = argparse.ArgumentParser(prog="python -m parcae_specs.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many (200)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (0)")
    parser.add_argument("--story", type=int, help="play this one only, and tell everything")
    given = parser.parse_args()
    if given.story is not None:
        return _story(simulate(given.story))
    return _many(range(given.first, given.first + given.seeds))


def _story(played: Simulated) -> int:
    print("\n".join(played.lines))
    print(f"seed {played.seed}: {played.digest}")
    print(f"all had to end within {played.bound}, and did within {played.took}")
    print("\n".join(played.broken) or "nothing broke")
    return 1 if played.broken else 0


def _many(seeds: range) -> int:
    begun, seen, failed = time.process_time(), Counter[str](), 0
    events = jobs = steps = 0
    closest, longest, bounds = 0.0, timedelta(0), list[timedelta]()
    for seed in seeds:
        played = simulate(seed)
        seen += played.seen
        events, jobs, steps = events + played.events, jobs + played.jobs, steps + played.steps
        if played.took is not None and played.bound:
            closest = max(closest, played.took / played.bound)
            longest = max(longest, played.took)
            bounds.append(played.bound)
        if played.broken:
            failed += 1
            print(f"seed {seed}: {played.broken[0]}", flush=True)
    for what, count in sorted(seen.items()):
        print(f"{count:9d}  {what}")
    print(f"{len(seeds)} seeds, {jobs} jobs, {events} events, {steps} steps", end=", ")
    print(f"{time.process_time() - begun:.0f} s of one core, {failed} failed")
    print(
        f"peace: everything ended within {longest} at the latest; the bounds were "
        f"{min(bounds, default=longest)} to {max(bounds, default=longest)}, "
        f"of which at most {closest:.0%} was needed (L8)"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
