"""Gated blocks of live models that gated-ray leaves out on purpose: module path and why."""

LEFT_OUT = {
    "blt": ("model.patcher", "a second, byte-level model that only cuts the text into patches"),
    "diffusion_gemma": ("model.decoder.self_conditioning", "outside the layers: it conditions the embeddings"),
    "pi0": ("model.dit", "the action expert, which is no part of the text backbone"),
}

_NO_SUM = "no residual sum found: it writes as it is"
_NO_STREAM = "reads no stream that it is added to: what it reads is the input of the module before it, or its own"
_MIXED = "tokens are mixed between the block and the sum: it writes what goes into the mixing"

UNCHECKED: dict[str, set[str]] = {
    "deepseek_v4": {_NO_SUM},
    "glm5_next": {_NO_SUM},
    "hy_v4": {_NO_STREAM},
    "inkling2": {_NO_STREAM, _MIXED},
    "inkling2_text": {_NO_STREAM, _MIXED},
    "inkling_mm_model": {_MIXED},
    "inkling_text": {_MIXED},
}
"""Where the tracing of the live model falls short of its strict rules: what stands between stream and block is then no norm
and sum. All of these carry a caveat."""

REFUSED = {
    "axk2": "gated by its input",
    "doge_moe": "single vectors",
    "muse_spark": "latent space",
    "qwen4_exp": "four normed streams",
    "qwen4_exp_text": "four normed streams",
    "voxtral_realtime": "delay",
    "zamba": "further projection",
    "zamba2": "further projection",
    "zamba2_bias": "further projection",
}
"""Cases that gated-ray refuses, and what its one line must say."""
