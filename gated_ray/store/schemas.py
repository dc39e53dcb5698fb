"""The Arrow schemas of the dataset. Every field carries its meaning, so that the files explain themselves.

Model, revision and profile stand in the path (``model=``, ``revision=``, ``profile=``) and in the rows, because some readers
look at one only. In the rows they have names of their own: where a path's key is also a column, pyarrow and pandas
refuse to read the folder, each in one of two settings, whatever the column's type.
"""

import pyarrow as pa

from gated_ray.vocabulary import COSINES, IO_CLASSES


def _field(name: str, kind: pa.DataType, meaning: str) -> pa.Field:
    return pa.field(name, kind, metadata={"description": meaning})


_STRING = pa.string()
_CLASS = pa.dictionary(pa.int8(), pa.string())

PARTITION_FIELDS = (
    _field("model_name", _STRING, "org/name on the Hub, the last path component for a folder or bucket"),
    _field(
        "model_revision", _STRING, "40-hex commit, or local- and 12 hex digits of the content for a folder or bucket"
    ),
    _field("profile_name", _STRING, "name of the settings that shaped the numbers (see the models table)"),
)

_BLOCK_FIELDS = (
    _field("layer", pa.int16(), "layer within its stack, from 0"),
    _field("component", _STRING, "which MLP of the layer: mlp, encoder_mlp, decoder_mlp, expert, shared_expert"),
    _field("expert", pa.int32(), "expert within the layer, null where there are none"),
)

NEURONS = pa.schema(
    [
        *_BLOCK_FIELDS,
        _field("neuron", pa.int32(), "hidden unit within the block, from 0"),
        _field(
            "cos_gate_in", pa.float32(), "cosine of w_gate and w_in, >= 0 by the canonical sign; null for plain blocks"
        ),
        _field(
            "cos_gate_out", pa.float32(), "cosine of w_gate and w_out, after the canonical sign; null for plain blocks"
        ),
        _field("cos_in_out", pa.float32(), "cosine of w_in and w_out"),
        _field("norm_gate", pa.float32(), "L2 norm of w_gate after folding; null for plain blocks"),
        _field("norm_in", pa.float32(), "L2 norm of w_in after folding"),
        _field("norm_out", pa.float32(), "L2 norm of w_out after preparation"),
        _field("sign", pa.int8(), "-1 where w_in and w_out were both flipped to make cos_gate_in >= 0, else 1"),
        _field("io_class", _CLASS, "IO class (threshold 0.5); null where a needed cosine does not exist"),
        *PARTITION_FIELDS,
    ],
    metadata={"description": "one row per MLP neuron; arXiv 2505.17936"},
)


def _layer_fields() -> list[pa.Field]:
    fields = [
        *_BLOCK_FIELDS,
        _field("gated", pa.bool_(), "true for a gated block (w_gate, w_in, w_out), false for a plain one"),
        _field("d_model", pa.int32(), "width of the residual stream"),
        _field("neurons", pa.int32(), "neurons of the block (d_mlp)"),
        _field(
            "neurons_without_cosine", pa.int32(), "neurons with a zero or non-finite vector: null cosine, null class"
        ),
    ]
    fields += [
        _field(name, pa.int32(), f"neurons of class {name}; null for classes a plain block lacks")
        for name in IO_CLASSES
    ]
    for cosine in COSINES:
        for statistic in ("mean", "min", "q1", "median", "q3", "max"):
            fields.append(_field(f"{cosine}_{statistic}", pa.float64(), f"{statistic} of {cosine} over the block"))
    fields += [
        _field(
            "theory_low",
            pa.float64(),
            "lower end of the central 95 % of the cosine of random vectors in d_model dimensions",
        ),
        _field("theory_high", pa.float64(), "upper end of the same"),
        _field("mismatched_regions", _STRING, "how the mismatched regions were computed: exact, sampled or none"),
        _field("mismatched_pairs", pa.int64(), "ordered pairs of different neurons behind each mismatched region"),
        _field("mismatched_seed", pa.int64(), "seed of the sampled rows; null unless sampled"),
        _field(
            "mismatched_gate_in_high", pa.float64(), "95 % quantile of |cos(w_gate of one neuron, w_in of another)|"
        ),
        _field(
            "mismatched_gate_out_low", pa.float64(), "2.5 % quantile of cos(w_gate of one neuron, w_out of another)"
        ),
        _field("mismatched_gate_out_high", pa.float64(), "97.5 % quantile of the same"),
        _field("mismatched_in_out_low", pa.float64(), "2.5 % quantile of cos(w_in of one neuron, w_out of another)"),
        _field("mismatched_in_out_high", pa.float64(), "97.5 % quantile of the same"),
    ]
    for region in ("theory", "mismatched"):
        for cosine in COSINES:
            name = f"outside_{region}_{cosine.removeprefix('cos_')}"
            fields.append(
                _field(
                    name, pa.float64(), f"share of the block's neurons whose {cosine} lies outside the {region} region"
                )
            )
    fields += [
        _field(
            "cos_in_out_histogram", pa.list_(pa.int32()), "neurons in ten bins of cos_in_out, [-1, -0.8) ... [0.8, 1]"
        ),
        _field("bytes_read", pa.int64(), "bytes of stored weights that the numbers rest on"),
        _field(
            "digest", _STRING, "xxh3-128 over the hex xxh3-128 digests of the tensors read: gate, in, out, then norms"
        ),
        *PARTITION_FIELDS,
    ]
    return fields


LAYERS = pa.schema(_layer_fields(), metadata={"description": "one row per MLP block: summaries and randomness regions"})

MODELS = pa.schema(
    [
        *PARTITION_FIELDS,
        _field("source", _STRING, "where the weights were read: hub, folder or s3"),
        _field("reference", _STRING, "the reference that was asked for"),
        _field(
            "requested_revision", _STRING, "branch, tag, commit or subfolder that was asked for; null where none was"
        ),
        _field("model_type", _STRING, "model_type of config.json"),
        _field("gated", pa.bool_(), "true where the blocks are gated"),
        _field("activation", _STRING, "activation function as config.json names it"),
        _field("norm", _STRING, "norm before the block: rms, layer, or none where it reads the raw residual stream"),
        _field("d_model", pa.int32(), "width of the residual stream"),
        _field("d_mlp", pa.int32(), "neurons of a block (the largest, where they differ)"),
        _field("blocks", pa.int32(), "MLP blocks"),
        _field("neurons", pa.int64(), "neurons of all blocks"),
        _field("neurons_without_cosine", pa.int64(), "neurons with a zero or non-finite vector"),
        _field("dtypes", pa.list_(_STRING), "stored dtypes of the tensors read, sorted"),
        _field("weights", _STRING, "how weights were prepared: paper or residual"),
        _field("regions", _STRING, "mismatched regions: sampled, exact or none"),
        _field("pairs", pa.int64(), "least mismatched pairs a block, null unless sampled"),
        _field("seed", pa.int64(), "seed of the sampled rows, null unless sampled"),
        _field("threshold", pa.float64(), "class threshold on the cosines"),
        _field("measure_version", pa.int32(), "version of the computation; differs only where numbers would"),
        _field("gated_ray_version", _STRING, "version of gated-ray that published"),
        _field("torch_version", _STRING, "version of torch that computed"),
        _field("bytes_read", pa.int64(), "bytes of stored weights read"),
        _field("seconds", pa.float64(), "seconds of work in all units, reading included"),
    ],
    metadata={"description": "one row per published model, revision and profile"},
)
