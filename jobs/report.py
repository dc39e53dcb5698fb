"""python -m jobs.report store.url=URL out=FOLDER"""

from gated_ray.reports.report import write_report
from gated_ray.settings import ReportSettings
from jobs.command import run_command


def report(settings: ReportSettings) -> bool:
    """Write the report and name its files."""
    for path in write_report(settings).files:
        print(path)
    return True


if __name__ == "__main__":
    run_command("report", ReportSettings, report)
