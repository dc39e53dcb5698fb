"""The Arrow schemas of the activation tables and of tokenized texts; see `gated_ray.store.schemas`."""

import pyarrow as pa

from gated_ray.store.schemas import BLOCK_FIELDS, PARTITION_FIELDS, described
from gated_ray.vocabulary import QUADRANTS, QUANTITIES

_STRING = pa.string()
_NAME = pa.dictionary(pa.int8(), pa.string())

DATASET_FIELD = described("dataset_name", _STRING, "name of the token dataset (see the tokens table)")

ACTIVATION_PARTITION_FIELDS = (*PARTITION_FIELDS, DATASET_FIELD)

_NEURON = described("neuron", pa.int32(), "hidden unit within the block, from 0")

_QUANTITY_WORDS = {
    "post": "act(g) * u, with the canonical sign",
    "in": "u, the linear part w_in . x with the canonical sign",
    "gate": "g, the gate's pre-activation w_gate . x",
    "act": "act(g)",
}


def _quadrant_fields(quadrant: str) -> list[pa.Field]:
    return [
        described(f"{quadrant}_freq", pa.float64(), f"share of `tokens` in quadrant {quadrant}; null without tokens"),
        *(
            described(f"{quadrant}_mean_{name}", pa.float64(), f"mean of {words} there; null without tokens there")
            for name, words in _QUANTITY_WORDS.items()
        ),
    ]


ACTIVATIONS = pa.schema(
    [
        *BLOCK_FIELDS,
        _NEURON,
        described("sign", pa.int8(), "-1 where u and post were negated: the canonical sign of the neurons table"),
        described("tokens", pa.int64(), "real tokens that the neuron saw; of an expert's neuron, those routed to it"),
        described(
            "nan_tokens", pa.int64(), "of them, those with a value that is not finite: in no quadrant and no mean"
        ),
        described(
            "routed_share", pa.float64(), "share of all tokens that were routed to the expert; null without experts"
        ),
        described("gate_positive_freq", pa.float64(), "share of `tokens` with g > 0; null without tokens"),
        *(field for quadrant in QUADRANTS for field in _quadrant_fields(quadrant)),
        *ACTIVATION_PARTITION_FIELDS,
    ],
    metadata={"description": "one row per gated MLP neuron: how often and how strongly it acts over a token dataset"},
)

EXAMPLES = pa.schema(
    [
        *BLOCK_FIELDS,
        _NEURON,
        described("quadrant", _NAME, f"signs of g and u: {', '.join(QUADRANTS)}"),
        described("quantity", _NAME, f"by whose absolute value documents are ranked: {', '.join(QUANTITIES)}"),
        described("rank", pa.int16(), "from 0, strongest first; of equal ones the lower document first"),
        described("value", pa.float32(), "the signed value, the document's strongest in this quadrant"),
        described("document", pa.int64(), "row of the token dataset"),
        described("position", pa.int32(), "token within the document, from 0; of equal ones the first"),
        *ACTIVATION_PARTITION_FIELDS,
    ],
    metadata={
        "description": "per neuron, quadrant and quantity the documents with the largest absolute values, one entry each"
    },
)

TOKENS = pa.schema(
    [
        described(
            "document",
            pa.int64(),
            "row of the dataset, from 0: of texts in shuffled order, of given ids the entry of the file",
        ),
        described("ids", pa.list_(pa.int32()), "token ids, special ones included"),
        described(
            "text",
            _STRING,
            "the document up to the end of its last token; null where that is not known: ids were given, or a document was "
            "cut by a tokenizer without offsets",
        ),
        described(
            "starts",
            pa.list_(pa.int32()),
            "first character in text of each token (a special token's is that of the next); null where unknown",
        ),
        described("source", _STRING, "file the document came from; null where ids were given"),
        described("source_row", pa.int64(), "row within that file, from 0; of JSON lines the line"),
        described("truncated", pa.bool_(), "whether the document was cut to max_length"),
        DATASET_FIELD,
        described(
            "tokenizer_digest",
            _STRING,
            "first 12 hex digits of SHA-256 over the class and files of the tokenizer; given where ids were given",
        ),
    ],
    metadata={"description": "one row per tokenized document"},
)

ACTIVATION_MODELS = pa.schema(
    [
        *ACTIVATION_PARTITION_FIELDS,
        described("tokenizer_digest", _STRING, "tokenizer that made the tokens, as the tokens table has it"),
        described(
            "location",
            _STRING,
            "where the weights were read: repository on the Hub, absolute folder, or s3://bucket/prefix",
        ),
        described(
            "requested_revision", _STRING, "branch, tag, commit or subfolder that was asked for; null where none was"
        ),
        described("model_type", _STRING, "model_type of config.json; null where it has none"),
        described(
            "license", _STRING, "licence of the model, as the head of its README.md names it; null where it does not"
        ),
        described("blocks", pa.int32(), "MLP blocks, experts one by one"),
        described("neurons", pa.int64(), "neurons of all blocks"),
        described("documents", pa.int64(), "documents with tokens"),
        described("tokens", pa.int64(), "real tokens, those of the whole dataset"),
        described(
            "cut_documents", pa.int64(), "documents that were longer than the model's context, and were cut to it"
        ),
        described("nan_tokens", pa.int64(), "sum over neurons of tokens with a value that is not finite"),
        described("context", pa.int32(), "most tokens of a document by config.json; null where it sets no limit"),
        described("dtype", _STRING, "in which the model ran"),
        described("top", pa.int16(), "documents that each ranking keeps"),
        described("weights", _STRING, "preparation of the weights that the canonical sign is of: paper or residual"),
        described("text", _STRING, "place of the texts, or of the ready ids, that the tokens were made from"),
        described("text_revision", _STRING, "commit of the texts, of a dataset on the Hub; null elsewhere"),
        described(
            "max_length", pa.int32(), "tokens that documents were cut to when they were tokenized; null for given ids"
        ),
        described("seed", pa.int64(), "of the documents' order; null for given ids"),
        described("statistics_version", pa.int16(), "of the definitions of these numbers"),
        described("gated_ray_version", _STRING, "version of gated-ray that measured"),
        described("torch_version", _STRING, "version of torch that computed"),
        described("transformers_version", _STRING, "version of transformers that ran the model"),
        described("seconds", pa.float64(), "seconds of work on all shards"),
    ],
    metadata={"description": "one row per model, revision, dataset and profile with published activation statistics"},
)
