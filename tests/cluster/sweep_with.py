"""``python -m jobs.sweep`` with other workers: ``python -m tests.cluster.sweep_with MODULE:ACTOR OVERRIDE ...``"""

import importlib
import runpy
import sys
from functools import partial

from gated_ray.cluster import sweep as sweep_module
from gated_ray.cluster.pool import Pool

if __name__ == "__main__":
    module, _, name = sys.argv[1].partition(":")
    sweep_module.Pool = partial(Pool, actor_class=getattr(importlib.import_module(module), name))
    sys.argv = ["jobs.sweep", *sys.argv[2:]]
    runpy.run_module("jobs.sweep", run_name="__main__")
