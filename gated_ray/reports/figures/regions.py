"""The mismatched randomness region of a panel's blocks."""

import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.reports.layer_rows import LayerRow


def band_words(layers: pa.Table, bands: str) -> str:
    """The note's sentence on the grey band or bands of these layers."""
    several = layers["expert"].null_count < layers.num_rows
    mean = " (of experts: the mean of the ends of each expert's own)" if several else ""
    return f"Grey {bands}: 95 % of the cosines between different neurons{mean}."


def mismatched_region(layers: pa.Table, row: LayerRow, cosine: str) -> tuple[float, float] | None:
    """The ends of the region of ``gate_out`` or ``in_out`` (METHOD section 4) for one panel; the mean over its experts.

    None where the profile computed no mismatched regions.
    """
    mine = pc.and_(pc.equal(layers["layer"], row.layer), pc.equal(layers["component"], row.component))
    blocks = layers.filter(mine)
    ends = [pc.mean(blocks[f"mismatched_{cosine}_{end}"]).as_py() for end in ("low", "high")]
    return (ends[0], ends[1]) if None not in ends else None
