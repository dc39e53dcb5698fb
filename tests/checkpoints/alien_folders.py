"""Folders that hold no checkpoint of a language model in safetensors, and say so by their files."""

import json
from pathlib import Path

from tests.checkpoints.alien_case import Alien
from tests.checkpoints.raw_models import edited, llama, rename
from tests.checkpoints.raw_safetensors import StoredTensor, pack

_LORA = {
    f"base_model.model.model.layers.0.mlp.{name}_proj.lora_{side}.weight": StoredTensor("F32", shape, bytes(4 * 64))
    for name in ("gate", "up", "down")
    for side, shape in {"A": (4, 16), "B": (16, 4)}.items()
}


def _config(folder: Path, name: str = "config.json", **values: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(values))


def _files(*names: str, config: bool = True) -> "_Files":
    return _Files(names, config)


class _Files:
    """A folder with these files, which no one may open, and perhaps a Llama's config.json."""

    def __init__(self, names: tuple[str, ...], config: bool) -> None:
        self._names, self._config = names, config

    def __call__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in self._names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"never opened")
        if self._config:
            _config(folder, **llama().config)


def _adapters(folder: Path) -> None:
    _config(folder, "adapter_config.json", peft_type="LORA", base_model_name_or_path="org/base")
    pack(folder / "adapter_model.safetensors", _LORA)


def _adapters_with_config(folder: Path) -> None:
    _adapters(folder)
    _config(folder, **llama().config)


def _adapters_under_the_models_name(folder: Path) -> None:
    _config(folder, **llama().config)
    pack(folder / "model.safetensors", _LORA)


def _pipeline(folder: Path) -> None:
    _config(
        folder, "model_index.json", _class_name="StableDiffusionPipeline", unet=["diffusers", "UNet2DConditionModel"]
    )
    _config(folder / "unet", _class_name="UNet2DConditionModel")
    pack(folder / "unet/diffusion_pytorch_model.safetensors", _LORA)


def _unet(folder: Path) -> None:
    _config(folder, _class_name="UNet2DConditionModel")
    pack(folder / "diffusion_pytorch_model.safetensors", _LORA)


def _sentence_transformer(folder: Path) -> None:
    _config(folder, "config_sentence_transformers.json", __version__={"sentence_transformers": "3.0.0"})
    (folder / "modules.json").write_text(json.dumps([{"idx": 0, "path": "0_Transformer"}]))
    llama().write(folder / "0_Transformer")


def _no_tensors(folder: Path) -> None:
    _config(folder, **llama().config)
    pack(folder / "model.safetensors", {})


def _consolidated(folder: Path) -> None:
    edited(llama(), rename(r"^model\.", "")).write(folder)
    (folder / "model.safetensors").rename(folder / "consolidated.safetensors")


FOLDERS: dict[str, Alien] = {
    "adapters_only": Alien(_adapters, "adapter"),
    "adapters_with_config": Alien(_adapters_with_config, r"only adapter_model\.safetensors"),
    "adapters_under_the_models_name": Alien(_adapters_under_the_models_name, r"lora_A"),
    "gguf_only": Alien(_files("llama-q4_k_m.gguf", config=False), r"\.gguf"),
    "gguf_with_config": Alien(_files("llama-q4_k_m.gguf"), r"llama-q4_k_m\.gguf.*safetensors"),
    "onnx_only": Alien(_files("model.onnx", "model.onnx_data"), r"model\.onnx"),
    "tensorflow_only": Alien(_files("tf_model.h5"), r"tf_model\.h5"),
    "flax_only": Alien(_files("flax_model.msgpack"), r"flax_model\.msgpack"),
    "pickle_only": Alien(_files("pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"), "pickled"),
    "pickle_without_config": Alien(_files("consolidated.00.pth", "params.json", config=False), r"config\.json"),
    "pipeline_of_diffusers": Alien(_pipeline, r"model_index\.json|diffus|unet"),
    "unet_of_diffusers": Alien(_unet, r"only diffusion_pytorch_model\.safetensors"),
    "sentence_transformer": Alien(
        _sentence_transformer, r"no config\.json; give the folder that save_pretrained wrote"
    ),
    "tokenizer_only": Alien(_files("tokenizer.json", "tokenizer_config.json"), "no weights"),
    "consolidated_only": Alien(_consolidated, r"only consolidated\.safetensors"),
    "no_tensors_at_all": Alien(_no_tensors, r"'llama'"),
    "empty_folder": Alien(lambda folder: folder.mkdir(parents=True), r"config\.json"),
}
