"""Frequencies by class, the neurons drawn beside them, the table and its figures; over made-up activation tables."""

import csv
import io
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from matplotlib.axes import Axes

from gated_ray.reports.class_names import CLASS_ORDER
from gated_ray.reports.figures import frequency_and_cosines, frequency_by_class
from gated_ray.reports.frequencies import FREQUENCY, POINTS, LayerFrequencies, class_frequencies, layer_frequencies
from gated_ray.reports.frequency_table import frequency_table, to_csv, to_latex, to_markdown
from gated_ray.reports.layer_rows import layer_rows
from gated_ray.vocabulary import IO_CLASSES
from tests.reports.models import DATASET, LONG_NAME, activations_of, frequencies
from tests.reports.synthetic import REVISION, Block, block, tables

LLAMA = "meta-llama/Llama-3.2-3B"
NONE = dict.fromkeys(IO_CLASSES, 0)
COUNTS = NONE | {"enrichment": 3, "orthogonal_output": 40, "depletion": 7}


def read(made: list[Block], seed: int = 0) -> tuple[pa.Table, pa.Table, list[LayerFrequencies]]:
    """Neurons, shuffled activations, and the frequencies of every layer."""
    neurons, layers, _ = tables("org/model", made)
    activations = activations_of(neurons, seed)
    activations = activations.take(np.random.default_rng(seed).permutation(activations.num_rows))
    found = []
    for row in layer_rows(layers):
        mine = [
            table.filter((pc.field("layer") == row.layer) & (pc.field("component") == row.component))
            for table in (neurons, activations)
        ]
        found.append(layer_frequencies(mine[0], mine[1], row))
    return neurons, activations, found


def frequency_of(activations: pa.Table, neuron: dict[str, object]) -> float:
    keys = ("layer", "component", "expert", "neuron")
    (row,) = [row for row in activations.to_pylist() if all(row[key] == neuron[key] for key in keys)]
    return row[FREQUENCY]


def test_a_neurons_frequency_is_found_by_its_place_experts_and_neurons_without_expert_alike() -> None:
    made = [block(0, COUNTS), *(block(1, COUNTS, "expert", n) for n in range(2)), block(1, COUNTS, "shared_expert")]
    neurons, activations, found = read(made)
    wanted = [frequency_of(activations, row) for row in neurons.to_pylist() if row["io_class"] == "depletion"]
    (depletion,) = [row for row in class_frequencies(found) if row.io_class == "depletion"]
    assert sorted(depletion.frequencies) == sorted(wanted)
    assert len(wanted) == 4 * 7


def test_as_many_are_drawn_from_the_same_layer_outside_the_class() -> None:
    _, _, found = read([block(0, COUNTS), block(1, COUNTS | {"depletion": 0, "enrichment": 12})])
    first, second = found
    assert {name: len(first.drawn[name]) for name in CLASS_ORDER if len(first.by_class[name])} == {
        "enrichment": 3,
        "orthogonal_output": 10,
        "depletion": 7,
    }, "of the class that is more than half of the layer, all others are taken"
    assert len(second.drawn["depletion"]) == 0
    others = set(first.by_class["enrichment"]) | set(first.by_class["orthogonal_output"])
    assert set(first.drawn["depletion"]) <= others
    assert len(set(first.drawn["depletion"])) == 7


def test_the_draw_is_the_same_every_time_and_another_for_each_layer() -> None:
    made = [block(0, COUNTS), block(1, COUNTS)]
    again = [read(made)[2] for _ in range(2)]
    for one, other in zip(*again, strict=True):
        np.testing.assert_array_equal(one.drawn["depletion"], other.drawn["depletion"])
    neurons, layers, _ = tables("org/model", [block(0, COUNTS)])
    (row,) = layer_rows(layers)
    order = np.arange(neurons.num_rows) / 100
    activations = activations_of(neurons).set_column(
        activations_of(neurons).schema.get_field_index(FREQUENCY), FREQUENCY, pa.array(order)
    )
    here = layer_frequencies(neurons, activations, row).drawn["depletion"]
    there = layer_frequencies(neurons, activations, replace(row, layer=1)).drawn["depletion"]
    assert list(here) != list(there)


def test_neurons_without_tokens_or_class_or_row_are_left_out() -> None:
    neurons, layers, _ = tables("org/model", [block(0, COUNTS, without_cosine=5)])
    (row,) = layer_rows(layers)
    activations = activations_of(neurons)
    depletion = [n for n, name in enumerate(neurons["io_class"].to_pylist()) if name == "depletion"]
    place = activations.schema.get_field_index(FREQUENCY)
    values = activations[FREQUENCY].to_pylist()
    values[depletion[0]] = None
    activations = activations.set_column(place, FREQUENCY, pa.array(values, pa.float64()))
    activations = activations.filter(pc.not_equal(activations["neuron"], depletion[1]))
    found = layer_frequencies(neurons, activations, row)
    assert sorted(found.by_class["depletion"]) == sorted(values[n] for n in depletion[2:])
    assert sum(len(of) for of in found.by_class.values()) == 50 - 2
    assert found.points.num_rows == 55 - 2
    nothing = layer_frequencies(neurons, activations.slice(0, 0), row)
    assert nothing.points.num_rows == 0
    assert class_frequencies([nothing])[0].mean is None


def test_few_points_of_a_big_layer_are_kept() -> None:
    _, _, (found,) = read([block(0, NONE | {"orthogonal_output": POINTS + 500})])
    assert found.points.num_rows == POINTS


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_table_has_means_by_class_beside_those_drawn_and_published() -> None:
    found = class_frequencies(frequencies(LLAMA))
    table = frequency_table(LLAMA, REVISION, DATASET, found)
    lines = rows(to_csv(table))
    assert [line["io_class"] for line in lines] == list(CLASS_ORDER)
    for line, row in zip(lines, found, strict=True):
        assert float(line["freq_gate_positive"]) == pytest.approx(row.frequencies.mean(), abs=1e-6)
        assert float(line["freq_drawn_same_layers"]) == pytest.approx(row.drawn.mean(), abs=1e-6)
        assert (int(line["neurons"]), int(line["drawn_neurons"])) == (len(row.frequencies), len(row.drawn))
    assert (lines[0]["published_freq_gate_positive"], lines[0]["published_freq_random_same_layers"]) == (
        "0.494",
        "0.206",
    )
    for text in (to_markdown(table), to_latex(table)):
        assert "published, random" in text
        assert "0.494" in text
        assert f"{found[0].frequencies.mean():.3f}" in text
        assert DATASET in text
    depletion, enrichment = (next(row for row in found if row.io_class == name) for name in ("depletion", "enrichment"))
    assert depletion.mean > depletion.drawn_mean
    assert enrichment.mean < enrichment.drawn_mean


def test_a_model_on_which_nothing_was_published_has_no_such_columns() -> None:
    table = frequency_table("org/model", REVISION, DATASET, class_frequencies(frequencies(LONG_NAME)), "rw")
    assert list(rows(to_csv(table))[0]) == [
        "io_class",
        "neurons",
        "freq_gate_positive",
        "drawn_neurons",
        "freq_drawn_same_layers",
    ]
    assert "published" not in to_markdown(table)
    assert "| conditional weakening |" in to_markdown(table)


def test_a_class_without_neurons_has_empty_cells() -> None:
    _, _, found = read([block(0, NONE | {"enrichment": 2, "depletion": 5})])
    line = rows(to_csv(frequency_table("org/m", REVISION, DATASET, class_frequencies(found))))[2]
    assert list(line.values()) == ["conditional_enrichment", "0", "", "0", ""]


def markers(axes: Axes, line: int) -> dict[tuple[str, str], float]:
    """(marker, face colour) -> where it stands in a class's line."""
    return {
        (artist.get_marker(), str(artist.get_markerfacecolor())): float(np.atleast_1d(artist.get_xdata())[0])
        for artist in axes.lines
        if artist.get_marker() not in ("", "None") and np.atleast_1d(artist.get_ydata())[0] == line
    }


def test_the_figure_by_class_marks_the_means() -> None:
    found = class_frequencies(frequencies(LLAMA))
    figure = frequency_by_class(frequency_table(LLAMA, REVISION, DATASET, found), LLAMA)
    (axes,) = figure.axes
    assert [label.get_text().replace(" ", "_") for label in axes.get_yticklabels()] == list(CLASS_ORDER)
    for line, row in enumerate(found):
        shown = markers(axes, line)
        assert shown["D", "black"] == pytest.approx(row.mean)
        assert shown["o", "white"] == pytest.approx(row.drawn_mean)
    assert markers(axes, 0)["D", "white"] == 0.494
    assert markers(axes, 0)["x", "black"] == 0.206
    boxes = sorted(axes.patches, key=lambda patch: patch.get_y())
    for box, row in zip(boxes, found, strict=True):
        ends = box.get_x(), box.get_x() + box.get_width()
        assert ends == pytest.approx(tuple(np.quantile(row.frequencies, (0.25, 0.75))))


def test_the_figure_against_cosines_shows_every_kept_neuron() -> None:
    _, _, found = read([block(0, COUNTS), block(1, COUNTS)])
    figure = frequency_and_cosines(found, DATASET, "org/model")
    points = pa.concat_tables(each.points for each in found)
    for axes, cosine in zip(figure.axes, ("cos_gate_in", "cos_gate_out", "cos_in_out"), strict=False):
        drawn = figure.artists[0].panels[axes].get_offsets()
        expected = np.column_stack([points[cosine].to_numpy(), points[FREQUENCY].to_numpy()])
        np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(expected, axis=0))
        assert axes.get_ylim() == (0, 1)
