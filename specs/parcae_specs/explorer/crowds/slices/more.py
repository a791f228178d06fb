"""The larger slices: the same jobs with more that goes wrong, walked by ``make explore``."""

from __future__ import annotations

from attrs import evolve

from parcae.spec import Until
from parcae_specs.explorer.crowds.model import Mishap
from parcae_specs.explorer.crowds.slices.graphs import DIAMOND, MEANWHILE, PARENTS
from parcae_specs.explorer.crowds.slices.groups import BATCH, NEIGHBOURS, SAGA
from parcae_specs.explorer.crowds.slices.lanes import KEYS, LIMIT_TWO, SETTINGS, TWICE_JOB
from parcae_specs.explorer.crowds.slices.once import EXPIRED, REPLACED, STARTED
from parcae_specs.explorer.crowds.slices.parts import after, member, one, together

ALL = {Mishap.CRASH: 1, Mishap.SLOW: 1, Mishap.FAIL: 1, Mishap.RELEASE: 1, Mishap.CANCEL: 1}

MORE = (
    evolve(LIMIT_TWO, name="limit two, more", first=(TWICE_JOB,) * 3, mishaps=ALL),
    evolve(KEYS, name="keys, more", mishaps=ALL),
    evolve(SETTINGS, name="settings, more", mishaps={**ALL, Mishap.SET: 2}),
    evolve(PARENTS, name="parents, more", first=(TWICE_JOB, one(), after(0, 1)), mishaps=ALL),
    evolve(DIAMOND, name="diamond, more", mishaps={**ALL, Mishap.FAIL: 2, Mishap.CANCEL: 2}),
    evolve(MEANWHILE, name="meanwhile, more", mishaps={**ALL, Mishap.DELETE: 1}),
    evolve(
        SAGA,
        name="group saga, more",
        first=(
            together(
                member("a~"),
                member("b?", waits=(0,)),
                member("c~", waits=(0,)),
                member("d", waits=(1, 2)),
                compensate=True,
            ),
        ),
        mishaps={Mishap.FAIL: 2, Mishap.CRASH: 1, Mishap.SLOW: 1, Mishap.STOP: 1},
    ),
    evolve(BATCH, name="batch, more", mishaps={**ALL, Mishap.STOP: 1, Mishap.DELETE: 1}),
    evolve(
        NEIGHBOURS, name="neighbours, more", workers=2, mishaps={Mishap.STOP: 2, Mishap.FAIL: 1}
    ),
    evolve(STARTED, name=f"until {Until.STARTED}, more", workers=2, mishaps=ALL),
    evolve(EXPIRED, name=f"until {Until.EXPIRED}, more", workers=2, mishaps=ALL),
    evolve(REPLACED, name="replaced, more", workers=2, mishaps=ALL),
)
"""What is left out of the quick ones for its size."""
