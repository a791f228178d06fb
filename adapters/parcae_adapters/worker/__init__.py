"""The worker: claims jobs, runs their handlers, keeps their leases, reconciles what is stale."""

from parcae_adapters.worker.process import run_worker, run_worker_for
from parcae_adapters.worker.worker import Worker

__all__ = ["Worker", "run_worker", "run_worker_for"]
