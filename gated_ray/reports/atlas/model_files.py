"""What the page loads of a model first: its facts, its layers and where their neurons are; and the classes of every expert."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.reports.atlas.blocks import Block, chunks_of
from gated_ray.reports.atlas.encoding import in_base64
from gated_ray.reports.depth_curves import CURVE_COLUMNS, DepthCurve, curve_rows, depth_curves
from gated_ray.reports.layer_rows import LayerRow, component_words, components_of, layer_rows, stack_of
from gated_ray.store.keys import Partition
from gated_ray.vocabulary import IO_CLASSES

_FACTS = (
    *("source", "requested_revision", "model_type", "gated", "experts", "activation", "product", "biases", "norm"),
    *("d_model", "d_mlp", "left_out", "caveat", "dtypes", "quantization", "weights", "regions", "pairs", "threshold"),
    "gated_ray_version",
)


def overview_row(model: pa.Table, layers: pa.Table, expert_layers: pa.Table, partition: Partition) -> dict[str, Any]:
    """One model of the overview, but for its medians, which need its neurons.

    Args:
        model: its row of schema `MODELS`.
        layers: its rows of schema `LAYERS`.
        expert_layers: its rows of schema `EXPERT_LAYERS`; where there are none, its curve is made of `layers` alone.
        partition: which model, revision and profile.
    """
    rows = layer_rows(layers)
    of_curves = curve_rows(layers, expert_layers) if expert_layers.num_rows else layers.select(CURVE_COLUMNS)
    return {
        "path": f"{partition.encoded_model}/{partition.revision}/{partition.profile}",
        "name": partition.model,
        "revision": partition.revision,
        "profile": partition.profile,
        "asked": model["requested_revision"][0].as_py(),
        "gated": any(row.gated for row in rows),
        "layers": len({(stack_of(row.component), row.layer) for row in rows}),
        "neurons": sum(row.neurons for row in rows),
        "without": sum(row.without_cosine for row in rows),
        "counts": [sum(row.counts[name] for row in rows) for name in IO_CLASSES],
        "curves": [
            {
                "stack": _stack(curve, partition),
                "layers": _layers_of(rows, _stack(curve, partition)),
                "depths": curve.depths,
                "medians": [None if np.isnan(median) else median for median in curve.medians],
                "averaged": curve.averaged,
            }
            for curve in depth_curves(of_curves, model)
        ],
    }


def model_file(
    model: pa.Table, rows: list[LayerRow], blocks: list[list[Block]], activity: list[dict[str, Any]]
) -> dict[str, Any]:
    """What the page of a model begins with.

    Args:
        model: its row of schema `MODELS`.
        rows: its layers and components, in the order in which reports show them.
        blocks: of each row.
        activity: what `activity_files` says of each dataset of activations.
    """
    (facts,) = model.select(_FACTS).to_pylist()
    return {
        "facts": facts,
        "components": [
            {"name": name, "words": component_words(name), "stack": stack_of(name)} for name in components_of(rows)
        ],
        "rows": [_row(row, mine) for row, mine in zip(rows, blocks, strict=True)],
        "activity": activity,
    }


def expert_file(layers: pa.Table, rows: list[LayerRow]) -> dict[str, Any]:
    """Neurons per class of every expert, for the page's map of experts and layers.

    Returns:
        By component that has experts: ``layers`` and ``experts``, both ascending, and ``counts``, base64 of uint32: for each
        layer, for each expert, the neurons of every class of `IO_CLASSES`. An expert that a layer lacks has zeros.
    """
    return {
        component: _expert_counts(layers.filter(pc.equal(layers["component"], component)))
        for component in components_of(rows)
        if _has_experts(layers, component)
    }


def _stack(curve: DepthCurve, partition: Partition) -> str:
    """Curves of one model are labelled by its name, and its stack where it has several."""
    return curve.label.removeprefix(partition.model).strip()


def _layers_of(rows: list[LayerRow], stack: str) -> list[int]:
    return sorted({row.layer for row in rows if stack_of(row.component) == stack})


def _row(row: LayerRow, blocks: list[Block]) -> dict[str, Any]:
    experts = [block.expert for block in blocks]
    starts, position = [], 0
    for chunk in chunks_of(blocks):
        starts.append(position)
        position += len(chunk)
    return {
        "layer": row.layer,
        "component": row.component,
        "gated": row.gated,
        "neurons": row.neurons,
        "without": row.without_cosine,
        "counts": [row.counts[name] for name in IO_CLASSES],
        "experts": None if experts == [None] else experts,
        "files": starts,
    }


def _has_experts(layers: pa.Table, component: str) -> bool:
    return bool(pc.any(pc.and_(pc.equal(layers["component"], component), pc.is_valid(layers["expert"]))).as_py())


def _expert_counts(mine: pa.Table) -> dict[str, Any]:
    layers, experts = (np.unique(mine[name].to_numpy()) for name in ("layer", "expert"))
    counts = np.zeros((len(layers), len(experts), len(IO_CLASSES)), dtype=np.uint32)
    places = tuple(
        np.searchsorted(sorted_, mine[name].to_numpy()) for name, sorted_ in (("layer", layers), ("expert", experts))
    )
    for code, name in enumerate(IO_CLASSES):
        counts[(*places, code)] = pc.fill_null(mine[name], 0).to_numpy()
    return {"layers": layers.tolist(), "experts": experts.tolist(), "counts": in_base64(counts)}
