"""python -m jobs.inspect 'models.refs=[REF,...]' [architectures.extra=FILE] [format=table|json]"""

from gated_ray.inspection.printing import inspect_models
from gated_ray.settings import InspectSettings
from jobs.command import run_command

if __name__ == "__main__":
    run_command("inspect", InspectSettings, inspect_models)
