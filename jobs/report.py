"""python -m jobs.report store.url=URL out=FOLDER [vocabulary=io|rw] [width=page|column] ['layers=[0,5,11]']"""

from gated_ray.reports.atlas import write_atlas
from gated_ray.reports.query import first_query
from gated_ray.reports.report import write_report
from gated_ray.settings import ReportSettings
from gated_ray.vocabulary import counted
from jobs.command import run_command


def report(settings: ReportSettings) -> bool:
    """Write the report; say where it is, what it lacks and how to look further."""
    written = write_report(settings)
    atlas = write_atlas(settings)
    for folder in dict.fromkeys(path.parent for path in written.files):
        print(f"{folder}: {' '.join(path.name for path in written.files if path.parent == folder)}")
    print(f"\n{counted(written.models, 'model')}, {counted(len(written.files), 'file')} in {settings.out}")
    for line in written.left_out:
        print(f"Left out: {line}")
    print(f"Atlas: open {atlas.page} ({counted(atlas.models, 'model')}, {atlas.bytes / 1e6:,.1f} MB)")
    print(f"Dataset: {settings.store.url}\nQuery it in DuckDB:\n\n  {first_query(settings.store.url)};\n")
    return True


if __name__ == "__main__":
    run_command("report", ReportSettings, report)
