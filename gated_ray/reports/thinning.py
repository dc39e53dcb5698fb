"""Which neurons are drawn, where a layer has more than a picture can show."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.reports.layer_rows import LayerRow
from gated_ray.vocabulary import COSINES

POINTS = 4000
"""Most neurons drawn in a panel: more hide each other."""
SEED = 0


def drawn_neurons(neurons: pa.Table, row: LayerRow, points: int = POINTS) -> pa.Table:
    """The neurons of one panel that have all cosines of their kind, thinned to ``points`` by a seeded choice, in their order.

    The choice depends on the layer, the component and the rows' order alone. What was thinned before is returned unchanged.
    """
    mine = pc.and_(pc.equal(neurons["layer"], row.layer), pc.equal(neurons["component"], row.component))
    for cosine in COSINES if row.gated else COSINES[-1:]:
        mine = pc.and_(mine, pc.is_valid(neurons[cosine]))
    table = neurons.filter(mine)
    if table.num_rows <= points:
        return table
    generator = np.random.default_rng([SEED, row.layer, *row.component.encode()])
    return table.take(np.sort(generator.choice(table.num_rows, points, replace=False)))
