"""python -m jobs.activations 'models.refs=[REF,...]' data.text=PATH|data.tokens=URL|data.token_ids=FILE store.url=URL"""

from gated_ray.cluster.activations import run_activations
from gated_ray.reports.printed_frequencies import print_frequencies
from gated_ray.settings import ActivationsSettings
from jobs.command import run_command


def activations(settings: ActivationsSettings) -> bool:
    """Take and publish the statistics, and show how often gates open; whether all that was asked for is there."""
    result = run_activations(settings)
    if settings.log == "text" and not settings.dry_run:
        print_frequencies(settings.store, result.published)
    return not result.failures


if __name__ == "__main__":
    run_command("activations", ActivationsSettings, activations)
