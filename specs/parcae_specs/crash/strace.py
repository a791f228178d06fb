"""Runs the victims under strace, which kills them, or fails their calls, where it is told to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from attrs import asdict

from parcae_specs.crash.victim import Strike

STRACE = shutil.which("strace")
WRITES = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlink")
"""Every call by which SQLite changes a disk, or has it written through."""
READS = ("pread64",)


@cache
def missing() -> str | None:
    """Why nothing can be traced here; ``None``: it can."""
    if STRACE is None:
        return "strace is not installed, so no system call can be made to fail: install strace"
    command = [STRACE, "-qq", "-f", "-e", "trace=pwrite64,unlink", "-o", os.devnull, sys.executable]
    tried = subprocess.run([*command, "-c", ""], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return None
    why = tried.stderr.strip().splitlines()[-1:] or ["it said nothing"]
    return f"strace may not trace here, so no system call can be made to fail: {why[0]}"


def run(folder: Path, strikes: Sequence[Strike], *, inject: Sequence[str] = ()) -> None:
    """Let the victims live, each in its folder under ``folder``, struck as ``inject`` says.

    Raises:
        RuntimeError: strace, or the process above the victims, failed.
    """
    _run(folder, strikes, [option for one in inject for option in ("-e", f"inject={one}")])


def record(folder: Path, strike: Strike) -> Path:
    """Let one victim live; the trace of all that it wrote, and when it was answered."""
    trace = folder / f"{strike.name}.trace"
    calls = ",".join((*WRITES, *READS, "write", "openat"))
    options = ["-e", f"trace={calls}", "-e", "signal=none", "-y", "-xx", "-s", "100000"]
    _run(folder, [strike], [*options, "-o", str(trace)])
    return trace


def _run(folder: Path, strikes: Sequence[Strike], options: Sequence[str]) -> None:
    assert STRACE is not None
    plan = folder / "plan.json"
    plan.write_text(json.dumps([asdict(one) for one in strikes]))
    traced = [] if "-o" in options else ["-e", f"trace={','.join((*WRITES, *READS))}"]
    quiet = [] if "-o" in options else ["-o", os.devnull]
    if not any("signal=SIG" in one for one in options):
        # Stops at these calls only, which is much quicker, but lets no signal through.
        quiet.append("--seccomp-bpf")
    victim = [sys.executable, "-m", "parcae_specs.crash.victim", str(folder), str(plan)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [STRACE, "-f", "-qq", *traced, *options, *quiet, *victim],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"strace gave {done.returncode}: {done.stderr.strip()}")
