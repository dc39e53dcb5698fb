"""The Arrow schemas of the dataset. Every field carries its meaning, so that the files explain themselves.

Model, revision and profile stand in the path (``model=``, ``revision=``, ``profile=``) and in the rows, because some readers
look at one only. In the rows they have names of their own: where a path's key is also a column, pyarrow and pandas
refuse to read the folder, each in one of two settings, whatever the column's type.
"""

import pyarrow as pa

from gated_ray.vocabulary import COSINES, IO_CLASSES


def described(name: str, kind: pa.DataType, meaning: str) -> pa.Field:
    return pa.field(name, kind, metadata={"description": meaning})


_STRING = pa.string()
_CLASS = pa.dictionary(pa.int8(), pa.string())

PARTITION_FIELDS = (
    described("model_name", _STRING, "org/name on the Hub, the last path component for a folder or bucket"),
    described(
        "model_revision", _STRING, "40-hex commit, or local- and 12 hex digits of the content for a folder or bucket"
    ),
    described("profile_name", _STRING, "name of the settings that shaped the numbers (see the models table)"),
)

_COMPONENT = (
    "which MLP of the layer: mlp, mlp_0 and mlp_1 where there are several, expert, shared_expert, vision_expert; where a "
    "model has several stacks of layers, after the stack's name: encoder_mlp, decoder_mlp, decoder_expert"
)

BLOCK_FIELDS = (
    described("layer", pa.int16(), "layer within its stack, from 0"),
    described("component", _STRING, _COMPONENT),
    described("expert", pa.int32(), "expert within the layer, null where there are none"),
)

NEURONS = pa.schema(
    [
        *BLOCK_FIELDS,
        described("neuron", pa.int32(), "hidden unit within the block, from 0"),
        described(
            "cos_gate_in", pa.float32(), "cosine of w_gate and w_in, >= 0 by the canonical sign; null for plain blocks"
        ),
        described(
            "cos_gate_out", pa.float32(), "cosine of w_gate and w_out, after the canonical sign; null for plain blocks"
        ),
        described("cos_in_out", pa.float32(), "cosine of w_in and w_out"),
        described("norm_gate", pa.float32(), "L2 norm of w_gate after folding; null for plain blocks"),
        described("norm_in", pa.float32(), "L2 norm of w_in after folding"),
        described("norm_out", pa.float32(), "L2 norm of w_out after preparation"),
        described("sign", pa.int8(), "-1 where w_in and w_out were both flipped to make cos_gate_in >= 0, else 1"),
        described("io_class", _CLASS, "IO class (threshold 0.5); null where a needed cosine does not exist"),
        *PARTITION_FIELDS,
    ],
    metadata={"description": "one row per MLP neuron; arXiv 2505.17936"},
)


_GATED = described("gated", pa.bool_(), "true for a gated block (w_gate, w_in, w_out), false for a plain one")
_D_MODEL = described("d_model", pa.int32(), "width of the residual stream")
_THEORY_FIELDS = (
    described(
        "theory_low",
        pa.float64(),
        "lower end of the central 95 % of the cosine of random vectors in d_model dimensions",
    ),
    described("theory_high", pa.float64(), "upper end of the same"),
)
_MISMATCHED = described(
    "mismatched_regions", _STRING, "how the mismatched regions were computed: exact, sampled or none"
)


def _count_fields() -> list[pa.Field]:
    fields = [
        described(
            "neurons_without_cosine", pa.int32(), "neurons with a zero or non-finite vector: null cosine, null class"
        ),
    ]
    fields += [
        described(name, pa.int32(), f"neurons of class {name}; null for classes a plain block lacks")
        for name in IO_CLASSES
    ]
    return fields


def _statistic_fields(over: str) -> list[pa.Field]:
    return [
        described(f"{cosine}_{statistic}", pa.float64(), f"{statistic} of {cosine} over {over}")
        for cosine in COSINES
        for statistic in ("mean", "min", "q1", "median", "q3", "max")
    ]


def _share_fields(of: str, mismatched: str) -> list[pa.Field]:
    return [
        described(
            f"outside_{region}_{cosine.removeprefix('cos_')}",
            pa.float64(),
            f"share of {of} neurons whose {cosine} lies outside {region_words}",
        )
        for region, region_words in (("theory", "the theory region"), ("mismatched", mismatched))
        for cosine in COSINES
    ]


_HISTOGRAM = described(
    "cos_in_out_histogram", pa.list_(pa.int32()), "neurons in ten bins of cos_in_out, [-1, -0.8) ... [0.8, 1]"
)


def _layer_fields() -> list[pa.Field]:
    return [
        *BLOCK_FIELDS,
        _GATED,
        _D_MODEL,
        described("neurons", pa.int32(), "neurons of the block (d_mlp)"),
        *_count_fields(),
        *_statistic_fields("the block"),
        *_THEORY_FIELDS,
        _MISMATCHED,
        described("mismatched_pairs", pa.int64(), "ordered pairs of different neurons behind each mismatched region"),
        described("mismatched_seed", pa.int64(), "seed of the sampled rows; null unless sampled"),
        described(
            "mismatched_gate_in_high", pa.float64(), "95 % quantile of |cos(w_gate of one neuron, w_in of another)|"
        ),
        described(
            "mismatched_gate_out_low", pa.float64(), "2.5 % quantile of cos(w_gate of one neuron, w_out of another)"
        ),
        described("mismatched_gate_out_high", pa.float64(), "97.5 % quantile of the same"),
        described("mismatched_in_out_low", pa.float64(), "2.5 % quantile of cos(w_in of one neuron, w_out of another)"),
        described("mismatched_in_out_high", pa.float64(), "97.5 % quantile of the same"),
        *_share_fields("the block's", "the mismatched region"),
        _HISTOGRAM,
        described("bytes_read", pa.int64(), "bytes of stored weights that the numbers rest on"),
        described(
            "digest",
            _STRING,
            "xxh3-64 of the text of all digests in digests, in their order, nothing between them: equal where these are",
        ),
        described(
            "digests",
            pa.list_(pa.struct([("tensor", _STRING), ("digest", _STRING)])),
            "xxh3-64 (16 hex digits, seed 0) of the stored bytes of everything read: gate, in, out (with their scales), then "
            "norms. tensor is the name in the safetensors file, with [first:end] where entries of its first dimension "
            "were read, end not included",
        ),
        *PARTITION_FIELDS,
    ]


LAYERS = pa.schema(_layer_fields(), metadata={"description": "one row per MLP block: summaries and randomness regions"})

EXPERT_LAYERS = pa.schema(
    [
        BLOCK_FIELDS[0],
        described("component", _STRING, "which experts of the layer: expert, vision_expert, decoder_expert"),
        described("experts", pa.int32(), "how many"),
        _GATED,
        _D_MODEL,
        described("neurons", pa.int32(), "neurons of all of them"),
        *_count_fields(),
        *_statistic_fields("the neurons of all of them"),
        *_THEORY_FIELDS,
        _MISMATCHED,
        *_share_fields("their", "the mismatched region of its own expert"),
        _HISTOGRAM,
        *PARTITION_FIELDS,
    ],
    metadata={
        "description": "one row per layer of experts: the experts together, computed from all their neurons. Each of them "
        "has its own row in the layers table. Only of models that have experts"
    },
)

MODELS = pa.schema(
    [
        *PARTITION_FIELDS,
        described("source", _STRING, "where the weights were read: hub, folder or s3"),
        described("reference", _STRING, "the reference that was asked for"),
        described("location", _STRING, "where that is: repository on the Hub, absolute folder, or s3://bucket/prefix"),
        described(
            "requested_revision", _STRING, "branch, tag, commit or subfolder that was asked for; null where none was"
        ),
        described("model_type", _STRING, "model_type of config.json, of the whole model; null where it has none"),
        described(
            "rule",
            _STRING,
            "model_type of the text backbone, by which its blocks are read where that is listed; null where it has none",
        ),
        described(
            "resolved_by",
            _STRING,
            "how the blocks were understood: rules, names (a model type that is not listed) or extra (the user's rules)",
        ),
        described("gated", pa.bool_(), "true where the blocks are gated"),
        described("components", pa.list_(_STRING), "the components that occur, sorted"),
        described(
            "experts", pa.int32(), "experts of a layer (the largest number, where they differ); null without experts"
        ),
        described(
            "activation",
            pa.list_(_STRING),
            "activation functions as config.json names them, sorted, none where it does not; the whole formula is in product",
        ),
        described(
            "product",
            pa.list_(_STRING),
            "how gate and in make the neuron's activation, several where blocks differ, sorted "
            "(act is activation, clip(x, c) keeps x within [-c, c])",
        ),
        described(
            "biases",
            pa.list_(_STRING),
            "which of gate, in, out and the norm before have biases, sorted: they shift activations, not vectors",
        ),
        described(
            "norm",
            pa.list_(_STRING),
            "norms before the blocks, sorted: rms, layer, or none where a block reads the raw residual stream",
        ),
        described("d_model", pa.int32(), "width of the residual stream (the largest, where stacks differ)"),
        described(
            "d_mlp",
            pa.int32(),
            "neurons of a block (the largest, where they differ); experts' own size is in layers.neurons",
        ),
        described(
            "left_out",
            pa.list_(_STRING),
            "stacks and layers with MLP-like tensors that are no part of the text backbone: towers, extra prediction layers",
        ),
        described(
            "caveat", _STRING, "what such models do besides, which no fixed vector shows; null where nothing is known"
        ),
        described("blocks", pa.int32(), "MLP blocks"),
        described("neurons", pa.int64(), "neurons of all blocks"),
        described("neurons_without_cosine", pa.int64(), "neurons with a zero or non-finite vector"),
        described("dtypes", pa.list_(_STRING), "stored dtypes of the tensors read, sorted"),
        described("quantization", pa.list_(_STRING), "formats of the quantized weights, sorted; none for plain floats"),
        described("weights", _STRING, "how weights were prepared: paper or residual"),
        described("regions", _STRING, "mismatched regions: sampled, exact or none"),
        described("pairs", pa.int64(), "least mismatched pairs a block, null unless sampled"),
        described("seed", pa.int64(), "seed of the sampled rows, null unless sampled"),
        described("threshold", pa.float64(), "class threshold on the cosines"),
        described("measure_version", pa.int32(), "version of the computation; differs only where numbers would"),
        described("gated_ray_version", _STRING, "version of gated-ray that published"),
        described("torch_version", _STRING, "version of torch that computed"),
        described("bytes_read", pa.int64(), "bytes of stored weights read"),
        described("seconds", pa.float64(), "seconds of work in all units, reading included"),
    ],
    metadata={"description": "one row per published model, revision and profile"},
)
