"""Jobs that wait for others: all policies, all orders, and crashes between the levels (S8)."""

from __future__ import annotations

from attrs import evolve

from parcae.values import Status, seconds
from parcae_specs.explorer.crowds.model import Crowd, Mishap, ending
from parcae_specs.explorer.crowds.slices.parts import CANCEL, FAIL, PROCEED, after, one
from parcae_specs.explorer.slices.parts import BRISK

ENDS = (ending(Status.COMPLETED), ending(Status.FAILED), ending(Status.CANCELLED))

PARENTS = Crowd(
    name="parents",
    about="two parents that end in any order, by any way, and a child that waits for both",
    first=(one(), one(), after(0, 1, policies=(CANCEL, PROCEED))),
    mishaps={Mishap.CRASH: 1, Mishap.SLOW: 1, Mishap.FAIL: 2, Mishap.CANCEL: 2, Mishap.DELETE: 2},
    reached=ENDS,
    left_out="limits, groups, retries",
)

POLICIES = evolve(
    PARENTS,
    name="policies",
    about="one parent, and a child of each policy, of which a view holds one",
    first=(
        one(),
        after(0, policies=(CANCEL,)),
        after(0, policies=(FAIL,)),
        after(0, policies=(PROCEED,)),
    ),
    mishaps={Mishap.FAIL: 1, Mishap.CANCEL: 1, Mishap.CRASH: 1},
    cascade=1,
)

CHAIN = evolve(
    PARENTS,
    name="chain",
    about="a chain of four, of which a view holds one level; its end may be told step by step",
    first=(one(), after(0), after(1, policies=(FAIL,)), after(2)),
    mishaps={Mishap.FAIL: 1, Mishap.CANCEL: 2, Mishap.CRASH: 1},
    cascade=1,
)

DIAMOND = evolve(
    PARENTS,
    name="diamond",
    about="a diamond of four, of which a view holds one dependent",
    first=(one(), after(0), after(0, policies=(PROCEED,)), after(1, 2)),
    mishaps={Mishap.FAIL: 1, Mishap.CANCEL: 1, Mishap.CRASH: 1},
    cascade=1,
)

MEANWHILE = evolve(
    PARENTS,
    name="meanwhile",
    about="children that are submitted while their parents end; one has a deadline",
    first=(one(), one()),
    later=(
        after(0, 1),
        after(1, policies=(PROCEED,), timing=evolve(BRISK, deadline=seconds(3))),
    ),
    mishaps={Mishap.FAIL: 1, Mishap.CANCEL: 1, Mishap.DELETE: 1},
    cascade=1,
)

MOMENT = evolve(
    PARENTS,
    name="moment",
    about="two parents that fall due at the same moment, looked at one by one or together",
    first=(
        one(timing=evolve(BRISK, deadline=seconds(1))),
        one(timing=evolve(BRISK, deadline=seconds(1))),
        after(0, 1, policies=(PROCEED, PROCEED)),
        after(1, 2, policies=(PROCEED,)),
    ),
    mishaps={Mishap.CRASH: 1, Mishap.CANCEL: 1},
    batch=1,
    cascade=1,
)

GRAPHS = (PARENTS, POLICIES, CHAIN, DIAMOND, MEANWHILE, MOMENT)
