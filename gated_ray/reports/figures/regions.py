"""The mismatched randomness region of a panel's blocks."""

import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.reports.layer_rows import LayerRow


def mismatched_region(layers: pa.Table, row: LayerRow, cosine: str) -> tuple[float, float] | None:
    """The ends of the region of ``gate_out`` or ``in_out`` (METHOD section 4) for one panel; the mean over its experts.

    None where the profile computed no mismatched regions.
    """
    mine = pc.and_(pc.equal(layers["layer"], row.layer), pc.equal(layers["component"], row.component))
    blocks = layers.filter(mine)
    ends = [pc.mean(blocks[f"mismatched_{cosine}_{end}"]).as_py() for end in ("low", "high")]
    return (ends[0], ends[1]) if None not in ends else None
