"""Cases that gated-ray reads the weights of but takes no activation statistics of, and what its one line must say."""

_NO_MODULE = "no module of \\w+ computes with these weights in a way that statistics can be taken from"
_ENCODER_DECODER = "is an encoder-decoder; activation statistics read one stream of text"
_NOT_ONCE = "does not see every token of the text once"
_NOT_TEXT = "does not run on text alone"
_NO_EMBEDDING = "has no embedding of token ids"

NOT_RUN = {
    "bitnet": "a norm over the neurons",
    "blt": _NOT_ONCE,
    "cpmant": _NOT_ONCE,
    "dbrx": _NO_MODULE,
    "gemma3n": "requires the timm library",
    "gemma4_assistant": "cannot load it",
    "hrm_text": "runs several times a token",
    "idefics": _NOT_TEXT,
    "inkling_mm_model": _NO_MODULE,
    "inkling_text": _NO_MODULE,
    "jetmoe": _NO_MODULE,
    "kyutai_speech_to_text": _NO_EMBEDDING,
    "llama4": _NO_MODULE,
    "llama4_text": _NO_MODULE,
    "longcat_flash": _NO_MODULE,
    "longt5": _ENCODER_DECODER,
    "moshi_conditional": _NOT_TEXT,
    "mt5": _ENCODER_DECODER,
    "pi0": _NOT_TEXT,
    "pix2struct": _ENCODER_DECODER,
    "qwen2_5_omni": _NO_EMBEDDING,
    "qwen3_omni_moe": _NO_EMBEDDING,
    "shieldgemma2": "finds no weights for",
    "t5": _ENCODER_DECODER,
    "t5_gated_silu": _ENCODER_DECODER,
    "t5gemma": _ENCODER_DECODER,
    "t5gemma2": _ENCODER_DECODER,
    "udop": _ENCODER_DECODER,
    "umt5": _ENCODER_DECODER,
}
