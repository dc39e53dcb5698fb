"""The tables and figures of one model at one revision, written to its folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
from matplotlib.figure import Figure

from gated_ray.reports import class_table, frequency_table
from gated_ray.reports.expert_shares import expert_components
from gated_ray.reports.figures import (
    class_bars,
    cosine_boxes,
    cosine_scatter,
    cosines_and_norms,
    expert_heatmap,
    frequency_and_cosines,
    frequency_by_class,
    norm_boxes,
    save_figure,
    shared_and_routed,
)
from gated_ray.reports.figures.style import WIDTH
from gated_ray.reports.frequencies import LayerFrequencies, class_frequencies
from gated_ray.reports.layer_rows import layer_rows, require_one_model
from gated_ray.reports.neuron_pass import NeuronPass
from gated_ray.reports.selected_layers import first_quartiles_last
from gated_ray.store.keys import encode_name


@dataclass(frozen=True)
class Look:
    """What the user chose for all files: see `ReportSettings`."""

    width: float
    """Of figures, inches; grids of all layers are `WIDTH` wide in any case."""
    vocabulary: str
    layers: Sequence[int]
    """Of the figure of a few layers; none for the first, the quarters and the last."""


def write_model(layers: pa.Table, read: NeuronPass, title: str, folder: Path, look: Look) -> list[Path]:
    """Write every table and figure of one model; returns their paths.

    Args:
        layers: rows of the layers table (schema `LAYERS`) of one model, revision and profile.
        read: its neurons.
        title: the figures' heading.
        folder: made if missing.
        look: of figures and tables.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = class_table.class_table(layers, look.vocabulary)
    writers = {"csv": class_table.to_csv, "md": class_table.to_markdown, "tex": class_table.to_latex}
    files = [_written(folder / f"class_table.{suffix}", write(table)) for suffix, write in writers.items()]
    for name, make in _figures(layers, read, title, look).items():
        files += save_figure(make(), folder / name)
    for dataset, frequencies in read.frequencies.items():
        files += _write_frequencies(layers, frequencies, dataset, title, folder, look)
    return files


def _figures(layers: pa.Table, read: NeuronPass, title: str, look: Look) -> dict[str, Callable[[], Figure]]:
    """File name -> what draws it; one after another, so that one figure is in memory at a time."""
    rows = layer_rows(layers)
    gated = any(row.gated for row in rows)
    neurons = read.drawn if gated else read.in_out
    has = {row.layer for row in rows}
    few = [layer for layer in look.layers if layer in has] or first_quartiles_last(rows)
    width, words = look.width, look.vocabulary
    figures: dict[str, Callable[[], Figure]] = {
        "class_bars": lambda: class_bars(layers, title, words, width),
        "cosine_scatter": lambda: cosine_scatter(neurons, layers, title, None, WIDTH, words),
        "cosine_scatter_selected": lambda: cosine_scatter(neurons, layers, title, few, width, words),
        "cosine_boxes": lambda: cosine_boxes(read.quantiles, layers, title, width),
        "norms": lambda: norm_boxes(read.quantiles, layers, title, width),
        "cosines_and_norms": lambda: cosines_and_norms(read.drawn, layers, title, width),
    }
    components = expert_components(layers)
    for component in components:
        suffix = f"_{component}" if len(components) > 1 else ""
        figures[f"expert_heatmap{suffix}"] = partial(expert_heatmap, layers, component, title, words, width)
        figures[f"shared_and_routed{suffix}"] = partial(shared_and_routed, layers, component, title, words, width)
    return figures


def _write_frequencies(
    layers: pa.Table, frequencies: list[LayerFrequencies], dataset: str, title: str, folder: Path, look: Look
) -> list[Path]:
    """The frequency table and figures over one dataset; none of a model without gates."""
    if not frequencies:
        return []
    folder = folder / f"frequency-{encode_name(dataset)}"
    folder.mkdir(exist_ok=True)
    name, revision, _ = require_one_model(layers)
    table = frequency_table.frequency_table(name, revision, dataset, class_frequencies(frequencies), look.vocabulary)
    writers = {"csv": frequency_table.to_csv, "md": frequency_table.to_markdown, "tex": frequency_table.to_latex}
    files = [_written(folder / f"frequency_table.{suffix}", write(table)) for suffix, write in writers.items()]
    files += save_figure(frequency_by_class(table, title, look.width), folder / "frequency_by_class")
    figure = frequency_and_cosines(frequencies, dataset, title, look.width)
    return files + save_figure(figure, folder / "frequency_and_cosines")


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
