"""compressed-tensors' own matching and its own way of saving, against what is read here."""

from pathlib import Path

import pytest
import torch
from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.quantization import QuantizationConfig, apply_quantization_config
from compressed_tensors.quantization.utils import calculate_qparams
from transformers import AutoModelForCausalLM

from gated_ray.architectures.quantization.evidence import Quantized
from gated_ray.architectures.quantization.schemes import read_schemes, scheme_of
from gated_ray.errors import UnsupportedError
from tests.architectures.quantization.reading import decode, stored_in
from tests.checkpoints.tiny import tiny_checkpoint

_MODULES = (
    "layers.0.mlp.up_proj",
    "layers.0.mlp.down_proj",
    "layers.1.mlp.up_proj",
    "layers.10.mlp.up_proj",
    "lm_head",
    "vision.up_proj",
)


def _settings(**targets: list[str]) -> dict[str, object]:
    """A group of 2, 3, ... bits for each list of targets."""
    groups = {
        name: {"targets": listed, "weights": {"num_bits": bits, "type": "int"}}
        for bits, (name, listed) in enumerate(targets.items(), start=2)
    }
    return {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": groups}


def _model() -> torch.nn.Module:
    root = torch.nn.Module()
    for name in _MODULES:
        *path, leaf = name.split(".")
        parent = root
        for step in path:
            if not hasattr(parent, step):
                parent.add_module(step, torch.nn.Module())
            parent = parent.get_submodule(step)
        parent.add_module(leaf, torch.nn.Linear(2, 2))
    return root


@pytest.mark.parametrize(
    "settings",
    [
        _settings(all=["Linear"]),
        _settings(all=["Linear"], up=[r"re:.*up_proj$"]),
        _settings(up=[r"re:.*up_proj"], one=["layers.1.mlp.up_proj"], rest=["Linear"]),
        _settings(second=[r"re:layers\.1"], first=[r"re:layers\.0"], head=["lm_head"], tower=["re:vision"]),
        _settings(pattern=[r"re:vision.*"], name=["vision.up_proj"], rest=["Linear"]),
        _settings(b=[r"re:layers.*down_proj", r"re:.*mlp.*"], rest=["Linear"]),
    ],
)
def test_every_module_has_the_scheme_that_the_library_gives_it(settings: dict[str, object]) -> None:
    model = _model()
    apply_quantization_config(model, QuantizationConfig(**settings), show_progress=False)  # type: ignore[arg-type]
    checkpoint = Quantized(settings, {}, "org/name")
    schemes = read_schemes(checkpoint)
    for name in _MODULES:
        expected = model.get_submodule(name).quantization_scheme.weights.num_bits
        assert scheme_of(name, schemes, checkpoint).bits == expected, name


def test_a_module_that_no_target_names_is_refused_where_groups_differ() -> None:
    checkpoint = Quantized(_settings(up=[r"re:.*up_proj"], down=[r"re:.*down_proj"]), {}, "org/name")
    schemes = read_schemes(checkpoint)
    with pytest.raises(UnsupportedError, match=r"tensors of lm_head are quantized, but no target"):
        scheme_of("lm_head", schemes, checkpoint)


def test_a_model_saved_by_the_library_itself(tmp_path: Path) -> None:
    """Two schemes in one model, through ``compress_model``, ``save_pretrained`` and ``update_config``."""
    tiny_checkpoint(tmp_path / "plain", "llama", hidden_size=64, intermediate_size=96, head_dim=32)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "plain")
    group = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32, "symmetric": False}
    channel = {"num_bits": 8, "type": "float", "strategy": "channel"}
    config = QuantizationConfig(
        config_groups={
            "down": {"targets": ["re:.*down_proj"], "weights": channel},
            "rest": {"targets": ["Linear"], "weights": group},
        },
        ignore=["lm_head"],
    )
    apply_quantization_config(model, config, show_progress=False)
    expected = {}
    for name, module in model.named_modules():
        if hasattr(module, "quantization_scheme"):
            groups = module.weight.detach().unflatten(1, (-1, 32 if "down" not in name else module.weight.shape[1]))
            args = module.quantization_scheme.weights
            scale, zero_point = calculate_qparams(groups.amin(2), groups.amax(2), args)
            module.weight_scale.data.copy_(scale)
            module.weight_zero_point.data.copy_(zero_point)
            zero_point = zero_point.float()
            low, high = (-8, 7) if args.num_bits == 4 else (-448, 448)
            steps = (groups / scale[..., None] + zero_point[..., None]).clamp(low, high)
            codes = steps.round() if args.num_bits == 4 else steps.to(torch.float8_e4m3fn).float()
            expected[f"{name}.weight"] = ((codes - zero_point[..., None]) * scale[..., None]).flatten(1).detach()
    compressor = ModelCompressor.from_pretrained_model(model)
    compressor.compress_model(model)
    model.save_pretrained(tmp_path / "q")
    compressor.update_config(str(tmp_path / "q"))
    stored, tensors = stored_in(tmp_path / "q")
    assert len(expected) == 14
    assert {name for name, tensor in stored.items() if tensor.codec} == expected.keys()
    for name, values in expected.items():
        assert stored[name].format == ("fp8-channel" if "down" in name else "packed-int4-group")
        torch.testing.assert_close(decode(stored[name], tensors), values, rtol=0, atol=0)
