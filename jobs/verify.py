"""python -m jobs.verify store.url=URL"""

from gated_ray.settings import VerifySettings
from gated_ray.store.objects import open_objects
from gated_ray.store.verify import verify_store
from jobs.command import run_command


def verify(settings: VerifySettings) -> bool:
    """Print what is wrong, one line each, and the counts; whether nothing is."""
    verification = verify_store(open_objects(settings.store))
    for problem in verification.problems:
        print(f"PROBLEM {problem}")
    print(verification)
    return not verification.problems


if __name__ == "__main__":
    run_command("verify", VerifySettings, verify)
