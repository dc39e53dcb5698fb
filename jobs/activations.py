"""python -m jobs.activations 'models.refs=[REF,...]' data.text=PATH|data.tokens=URL|data.token_ids=FILE store.url=URL"""

from gated_ray.cluster.activations import run_activations
from gated_ray.settings import ActivationsSettings
from jobs.command import run_command

if __name__ == "__main__":
    run_command("activations", ActivationsSettings, lambda settings: not run_activations(settings).failures)
