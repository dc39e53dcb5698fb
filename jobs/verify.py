"""python -m jobs.verify store.url=URL"""

from gated_ray.settings import VerifySettings
from gated_ray.store.objects import open_objects
from gated_ray.store.verify import verify_store
from jobs.command import run_command


def verify(settings: VerifySettings) -> bool:
    """Print what is wrong, a line each, and what was looked at; whether nothing is wrong."""
    found = verify_store(open_objects(settings.store))
    for problem in found.problems:
        print(f"PROBLEM {problem.partition}: {problem.key}: {problem.what}")
    if found.problems:
        print(
            "To mend a model, delete the object named and the model's published.json below _units/, then sweep again."
        )
    looked_at = (
        f"{found.models} published models, {found.units} units, {found.objects} objects, {found.bytes / 1e9:.3f} GB"
    )
    print(f"{looked_at}: {len(found.problems) or 'no'} problems")
    return not found.problems


if __name__ == "__main__":
    run_command("verify", VerifySettings, verify)
