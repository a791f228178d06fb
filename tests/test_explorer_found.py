"""What the explorer found wrong in the kernel, each as the shortest schedule, mended since."""

from __future__ import annotations

from parcae.commands import Cancel, Claim
from parcae.spec import RetryMode
from parcae.values import Status, WorkerId
from parcae_specs.explorer.run import Run, at
from parcae_specs.explorer.slices.parts import ONCE, job

FORCED = Cancel(force=True)


def _claim(request: str) -> Claim:
    return Claim(worker=WorkerId("worker"), request=request)


def test_given_a_retry_cancelled_before_the_fence_when_it_is_retried_then_that_one_waits_too() -> (
    None
):
    """S29: the handler of the first job may be alive until its lease expires."""
    run = Run((job("a~", "b?", retry=ONCE), None, None))
    run.put(0, _claim("first"))
    run.put(0, FORCED)
    run.retry(0, 0, RetryMode.FROM_START, 1)
    second = run.job(1)
    assert second is not None
    assert second.fence == at(2)
    run.put(0, Cancel(), slot=1)
    run.retry(0, 1, RetryMode.FROM_START, 2)
    run.put(0, _claim("too early"))
    third = run.job(2)
    assert third is not None
    assert third.status is Status.SCHEDULED
    assert run.found("S29") == ""
    assert run.put(2, _claim("in time")).answer is not None
