"""The kernel asks nobody for the time, an id or a lot; asked again, it says the same (S26)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PATH = os.pathsep.join(str(ROOT / folder) for folder in ("kernel", "specs"))

TELL_ALL = """
import hashlib
from parcae import codec
from parcae.compensation import plan
from parcae.lifecycle import TRANSITIONS, lawful
from parcae_specs.scenarios import SCENARIOS, play
from parcae_specs.worlds import everything
from parcae_specs.story import put
from parcae.values import Place

digest = hashlib.sha256()
for status, row in TRANSITIONS.items():
    digest.update(repr((status, [event.__name__ for event in row], lawful(status))).encode())
for name in SCENARIOS:
    story = play(name)
    for event in story.history:
        digest.update(codec.encode_event(event))
    if story.stored is not None:
        digest.update(codec.encode_job(story.job))
        for command in everything(story.stored):
            edge = put(story.stored, command, story.now, Place(99))
            digest.update(repr((edge.events, str(edge.refusal))).encode())
print(digest.hexdigest())
"""

FORBID = """
import os, random, secrets, sys, time, uuid

def forbidden(*args, **kwargs):
    raise AssertionError("the kernel asked the world")

for module, names in (
    (time, ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "sleep")),
    (random, ("random", "randint", "choice", "randbytes", "getrandbits", "uniform")),
    (secrets, ("token_bytes", "token_hex", "randbits", "choice")),
    (uuid, ("uuid1", "uuid4")),
    (os, ("urandom", "getenv", "getpid", "listdir")),
):
    for name in names:
        setattr(module, name, forbidden)
"""


def run(code: str, seed: str = "0") -> str:
    """What ``code`` prints in a Python of its own."""
    environment = {"PYTHONPATH": PATH, "PYTHONHASHSEED": seed, "PATH": os.defpath}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_s26_the_same_under_every_hash_seed() -> None:
    assert len({run(TELL_ALL, seed) for seed in ("0", "1", "4711")}) == 1


def test_the_kernel_runs_whole_scenarios_with_clock_and_chance_forbidden() -> None:
    assert run(FORBID + TELL_ALL) == run(TELL_ALL)
