"""python -m jobs.sweep 'models.refs=[REF,...]' store.url=URL profile=paper|residual cluster=local|cluster"""

from gated_ray.cluster.sweep import run_sweep
from gated_ray.settings import SweepSettings
from jobs.command import run_command

if __name__ == "__main__":
    run_command("sweep", SweepSettings, lambda settings: not run_sweep(settings).failures)
