"""python -m jobs.verify store.url=URL [source=true] [sample=N]"""

from gated_ray.settings import VerifySettings
from gated_ray.store.catalogue import nothing_published
from gated_ray.store.objects import open_objects
from gated_ray.store.verify import verify_store
from gated_ray.verification import verify_sources
from jobs.command import run_command


def verify(settings: VerifySettings) -> bool:
    """Print what is wrong, a line each, and what was looked at; whether nothing is wrong.

    Raises:
        InputError: nothing is published there, and nothing was begun.
    """
    objects = open_objects(settings.store)
    found = verify_store(objects)
    if not found.models and not found.token_datasets and not found.problems:
        raise nothing_published(objects.url)
    for problem in found.problems:
        print(f"PROBLEM {problem.partition}: {problem.key}: {problem.what}")
    if found.problems:
        print(
            "To mend a model, delete the object named and the model's published.json below _units/, then sweep again. "
            "To mend a token dataset, delete the object named and its dataset.json, then run jobs.tokens again."
        )
    print(found, flush=True)
    if not settings.source:
        return not found.problems
    sources = verify_sources(objects, found.publications, settings)
    for difference in sources.problems:
        print(f"PROBLEM {difference}")
    print(sources)
    return not found.problems and not sources.problems


if __name__ == "__main__":
    run_command("verify", VerifySettings, verify)
