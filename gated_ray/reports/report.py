"""The report of a whole store: tables and figures per model, and the figure that compares them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from gated_ray.errors import InputError, StoreError
from gated_ray.reports.class_table import class_table, to_csv, to_latex, to_markdown
from gated_ray.reports.depth_curves import curve_rows
from gated_ray.reports.figures import class_bars, cosine_scatter, drawn_neurons, median_curves, save_figure
from gated_ray.reports.layer_rows import LayerRow, layer_rows, short_revision
from gated_ray.settings import ReportSettings
from gated_ray.store.catalogue import Store, open_store
from gated_ray.store.keys import encode_name

_WRITERS = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
_SCATTER_COLUMNS = ["layer", "component", "cos_gate_in", "cos_gate_out", "cos_in_out"]
_HISTOGRAM_COLUMNS = ["layer", "component", "cos_in_out"]


@dataclass(frozen=True)
class Report:
    """What `write_report` wrote."""

    files: tuple[Path, ...]
    models: int
    """Models and revisions reported on."""


def write_report(settings: ReportSettings) -> Report:
    """Write the tables and figures of every model that the store publishes under ``settings.profile.name``.

    ``out/<model>/<revision>/`` gets ``class_table`` (csv, md, tex), ``class_bars`` and ``cosine_scatter`` (pdf, png);
    ``out/`` gets ``median_curves``. Models are read one after another, gated ones layer by layer.

    Raises:
        InputError: nothing is published under the profile, or ``out`` cannot be written.
        StoreError: the store cannot be read.
    """
    store = open_store(settings.store.url, settings.store.endpoint_url)
    models = _models_of_profile(store, settings)
    out = Path(settings.out)
    files: list[Path] = []
    curves: list[pa.Table] = []
    for row in models.select(["model_name", "model_revision", "requested_revision"]).to_pylist():
        name, revision = row["model_name"], row["model_revision"]
        layers = store.layers(name, revision, settings.profile.name)
        with _reading(settings.store.url, name):
            neurons = _neurons_to_draw(store.neurons(name, revision, settings.profile.name), layer_rows(layers))
        with _writing(settings.out):
            files += _write_model(layers, neurons, _title(row), out / encode_name(name) / revision)
        curves.append(curve_rows(layers, store.expert_layers(name, revision, settings.profile.name)))
    figure = median_curves(pa.concat_tables(curves), models)
    with _writing(settings.out):
        files += save_figure(figure, out / "median_curves")
    return Report(tuple(files), models.num_rows)


def _models_of_profile(store: Store, settings: ReportSettings) -> pa.Table:
    """The published models under the profile, sorted by name and revision."""
    models = store.models()
    found = models.filter(pc.equal(models["profile_name"], settings.profile.name))
    if found.num_rows == 0:
        profiles = ", ".join(sorted(set(models["profile_name"].to_pylist())))
        raise InputError(
            f"{settings.store.url}: nothing published under profile {settings.profile.name!r}; profiles there: {profiles}"
        )
    return found.sort_by([("model_name", "ascending"), ("model_revision", "ascending")])


def _neurons_to_draw(neurons: ds.Dataset, rows: list[LayerRow]) -> pa.Table:
    """What the model's figure shows: a plain model's whole distribution, or a gated one's points, thinned as they are read."""
    if not any(row.gated for row in rows):
        return neurons.to_table(columns=_HISTOGRAM_COLUMNS)
    return pa.concat_tables(
        drawn_neurons(
            neurons.to_table(
                columns=_SCATTER_COLUMNS,
                filter=(pc.field("layer") == row.layer) & (pc.field("component") == row.component),
            ),
            row,
        )
        for row in rows
    )


def _title(row: dict[str, str | None]) -> str:
    """The model with the revision as it was asked for, if any, and as it is."""
    short = short_revision(str(row["model_revision"]))
    asked = row["requested_revision"]
    return f"{row['model_name']} @ {f'{asked} ({short})' if asked and asked != row['model_revision'] else short}"


def _write_model(layers: pa.Table, neurons: pa.Table, title: str, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    table = class_table(layers)
    files = []
    for suffix, write in _WRITERS.items():
        path = folder / f"class_table.{suffix}"
        path.write_text(write(table), encoding="utf-8", newline="\n")
        files.append(path)
    files += save_figure(class_bars(layers, title), folder / "class_bars")
    return files + save_figure(cosine_scatter(neurons, layers, title), folder / "cosine_scatter")


@contextmanager
def _reading(url: str, model: str) -> Iterator[None]:
    """A dataset reads when it is asked for rows, so that the store cannot say itself what failed."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{url}: cannot read the neurons of {model}: {error}") from error


@contextmanager
def _writing(out: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"out={out}: cannot write {error.filename}: {error.strerror}") from error
