"""python -m jobs.export store.url=URL out=FOLDER [model=ORG/NAME] [dataset=NAME] [columns=own|reference] [license=ID]"""

from gated_ray.reports.export import export_dataset
from gated_ray.settings import ExportSettings
from gated_ray.vocabulary import counted
from jobs.command import run_command


def export(settings: ExportSettings) -> bool:
    """Write the folder; say what is in it and how to push it."""
    written = export_dataset(settings)
    for config, files in written.files.items():
        print(f"{config}: {counted(written.rows[config], 'row')} in {counted(files, 'file')}")
    print(
        f"\n{written.folder}: read it with datasets.load_dataset({str(written.folder)!r}, {next(iter(written.files))!r})"
    )
    print(f"To publish it: hf upload YOU/NAME {written.folder} --repo-type dataset")
    return True


if __name__ == "__main__":
    run_command("export", ExportSettings, export)
