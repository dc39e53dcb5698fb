"""python -m jobs.compare store.url=URL [model=MODEL[@REVISION][:PROFILE]] [against=published[:MODEL]|...] [out=FOLDER]"""

from gated_ray.reports.comparison.compare import run_compare
from gated_ray.settings import CompareSettings
from jobs.command import run_command


def compare(settings: CompareSettings) -> bool:
    """Print the comparison; whether all that was compared is equal."""
    found = run_compare(settings)
    print(found.page, end="")
    return found.equal


if __name__ == "__main__":
    run_command("compare", CompareSettings, compare)
