"""python -m jobs.verify store.url=URL"""

from gated_ray.settings import VerifySettings
from gated_ray.store.catalogue import nothing_published
from gated_ray.store.objects import open_objects
from gated_ray.store.verify import verify_store
from gated_ray.vocabulary import counted
from jobs.command import run_command


def verify(settings: VerifySettings) -> bool:
    """Print what is wrong, a line each, and what was looked at; whether nothing is wrong.

    Raises:
        InputError: nothing is published there, and nothing was begun.
    """
    objects = open_objects(settings.store)
    found = verify_store(objects)
    if not found.models and not found.problems:
        raise nothing_published(objects.url)
    for problem in found.problems:
        print(f"PROBLEM {problem.partition}: {problem.key}: {problem.what}")
    if found.problems:
        print(
            "To mend a model, delete the object named and the model's published.json below _units/, then sweep again."
        )
    counts = {"published model": found.models, "unit": found.units, "object": found.objects}
    looked_at = ", ".join(counted(count, noun) for noun, count in counts.items())
    problems = counted(len(found.problems), "problem") if found.problems else "no problems"
    print(f"{looked_at}, {found.bytes / 1e9:.3f} GB: {problems}")
    return not found.problems


if __name__ == "__main__":
    run_command("verify", VerifySettings, verify)
