"""``python -m tests.chaos.sweeping OVERRIDE ...``: jobs.sweep, whose processes say who they are and do as the front says."""

import runpy

import ray

from gated_ray.cluster import worker as worker_module
from tests.chaos.obedient import ObedientWorker, say_who

if __name__ == "__main__":
    say_who()
    worker_module.WorkerActor = ray.remote(ObedientWorker)  # before the pool takes it from there
    runpy.run_module("jobs.sweep", run_name="__main__")
