"""The neurons of some blocks as one data file: 13 bytes a neuron."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.reports.atlas.blocks import Block
from gated_ray.reports.atlas.encoding import in_base64, ten_thousandths, three_digits
from gated_ray.vocabulary import COSINES, IO_CLASSES

NORMS = ("norm_gate", "norm_in", "norm_out")
NEURON_COLUMNS = ["expert", *COSINES, *NORMS, "sign", "io_class"]
"""The columns of schema `NEURONS` that the page shows."""

NO_CLASS = 15
_FLIPPED = 128
"""Added to the class of a neuron whose w_in and w_out were negated."""


def neuron_file(neurons: pa.Table, chunk: list[Block]) -> dict[str, Any]:
    """What the page loads to show a block.

    Args:
        neurons: `NEURON_COLUMNS` of all neurons of the chunk's blocks, sorted by expert and neuron.
        chunk: the blocks.

    Returns:
        The blocks' facts, and one after another, each for all neurons: three columns of `ten_thousandths`, the cosines; three
        of `three_digits`, the norms; one of bytes, the class's place in `IO_CLASSES` (15 for none), plus 128 where sign is -1.
    """
    columns = [in_base64(ten_thousandths(floats(neurons[name]))) for name in COSINES]
    columns += [in_base64(three_digits(floats(neurons[name]))) for name in NORMS]
    return {
        "blocks": [
            {"expert": block.expert, "neurons": block.neurons, "start": block.start, **block.facts} for block in chunk
        ],
        "columns": [*columns, in_base64(_looks(neurons))],
    }


def floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """NaN for null."""
    values: npt.NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    return values


def _looks(neurons: pa.Table) -> npt.NDArray[np.uint8]:
    """Class and sign in a byte."""
    places = pc.index_in(neurons["io_class"].cast(pa.string()), value_set=pa.array(IO_CLASSES))
    classes = pc.fill_null(places, NO_CLASS).to_numpy()
    flipped = pc.fill_null(pc.less(neurons["sign"], 0), False).to_numpy(zero_copy_only=False)
    looks: npt.NDArray[np.uint8] = (classes + np.where(flipped, _FLIPPED, 0)).astype(np.uint8)
    return looks
