"""python -m jobs.watch watch=PRESET 'watch.authors=[ORG,...]' store.url=URL profile=paper|residual [watch.every=6h]"""

from gated_ray.settings import WatchSettings
from gated_ray.watching.watch import run_watch
from jobs.command import run_command

if __name__ == "__main__":
    run_command("watch", WatchSettings, run_watch)
