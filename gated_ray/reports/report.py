"""The report of a whole store: tables and figures per model, and the figures that compare models and revisions."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.errors import InputError
from gated_ray.reports.activations import activations_by_dataset
from gated_ray.reports.depth_curves import curve_rows
from gated_ray.reports.failures import writing
from gated_ray.reports.figures import median_curves, save_figure, training_shares
from gated_ray.reports.figures.style import WIDTHS
from gated_ray.reports.figures.training import TRAINING_COLUMNS
from gated_ray.reports.layer_rows import layer_rows, short_revision
from gated_ray.reports.left_out import ModelFacts, left_out, model_facts
from gated_ray.reports.model_files import Look, write_model
from gated_ray.reports.neuron_pass import read_neurons
from gated_ray.settings import ReportSettings
from gated_ray.store.catalogue import Store, open_store
from gated_ray.store.keys import encode_name


@dataclass(frozen=True)
class Report:
    """What `write_report` wrote."""

    files: tuple[Path, ...]
    models: int
    """Models and revisions reported on."""
    left_out: tuple[str, ...]
    """What could not be shown, and why, a line each."""


def write_report(settings: ReportSettings) -> Report:
    """Write the tables and figures of every model that the store publishes under ``settings.profile.name``.

    ``out/<model>/<revision>/`` gets those of one model (see `write_model`), ``out/<model>/`` the figure of its training where it
    is there at several revisions, ``out/`` the figure of all models. Models are read one after another, layer by layer.

    Raises:
        InputError: nothing is published under the profile, or ``out`` cannot be written.
        StoreError: the store cannot be read.
    """
    store = open_store(settings.store.url, settings.store.endpoint_url)
    models = _models_of_profile(store, settings)
    out = Path(settings.out)
    look = Look(WIDTHS[settings.width], settings.vocabulary, settings.layers)
    files: list[Path] = []
    facts: list[ModelFacts] = []
    curves: list[pa.Table] = []
    shares: list[pa.Table] = []
    for row in models.select(["model_name", "model_revision", "requested_revision"]).to_pylist():
        name, revision, title = row["model_name"], row["model_revision"], _title(row)
        place = name, revision, settings.profile.name
        layers = store.layers(*place)
        rows = layer_rows(layers)
        activations = activations_by_dataset(store, *place)
        read = read_neurons(store.neurons(*place), activations or {}, rows, settings.store.url, name)
        with writing(settings.out):
            files += write_model(layers, read, title, out / encode_name(name) / revision, look)
        facts.append(model_facts(title, layers, rows, activations is not None, settings.layers))
        curves.append(curve_rows(layers, store.expert_layers(*place)))
        shares.append(layers.select(TRAINING_COLUMNS))
    several = [name for name, count in Counter(models["model_name"].to_pylist()).items() if count > 1]
    with writing(settings.out):
        for name in several:
            mine = pa.concat_tables(table for table in shares if table["model_name"][0].as_py() == name)
            figure = training_shares(mine, models, None, look.vocabulary, look.width)
            files += save_figure(figure, out / encode_name(name) / "training_shares")
        figure = median_curves(pa.concat_tables(curves), models, look.width)
        files += save_figure(figure, out / "median_curves")
    return Report(tuple(files), models.num_rows, tuple(left_out(facts, bool(several))))


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


def _title(row: dict[str, str | None]) -> str:
    """The model with the revision as it was asked for, if any, and as it is."""
    short = short_revision(str(row["model_revision"]))
    asked = row["requested_revision"]
    return f"{row['model_name']} @ {f'{asked} ({short})' if asked and asked != row['model_revision'] else short}"
