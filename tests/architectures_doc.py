"""The worked examples of docs/architectures.md: config, tensors and rules as the page has them, and what inspection prints.

``python -m tests.architectures_doc`` writes what is printed into the page.
"""

import json
import re
from ast import literal_eval
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory

from gated_ray.inspection.layout import lines_of
from gated_ray.inspection.models import inspect_model
from gated_ray.settings import ArchitecturesSettings, InspectSettings
from tests.checkpoints.raw_safetensors import StoredTensor, pack

PAGE = Path(__file__).parent.parent / "docs" / "architectures.md"
_BLOCK = re.compile(r"```(json|tensors|toml|text)\n(.*?)```", re.DOTALL)
_COLUMNS = 100
_TENSOR = re.compile(r"(\S+) (\(.*\))")


@dataclass(frozen=True)
class Example:
    """One section of the page.

    Attributes:
        name: of the model type, and so of the folder and of the file of rules.
        config, tensors, rules, printed: the contents of its blocks.
    """

    name: str
    config: str
    tensors: str
    rules: str
    printed: str

    def write(self, folder: Path) -> tuple[Path, Path]:
        """A checkpoint with these tensors, and the file of rules; returns both."""
        checkpoint, rules = folder / self.name, folder / f"{self.name}.toml"
        checkpoint.mkdir()
        (checkpoint / "config.json").write_text(self.config)
        layers = next(
            value for key, value in json.loads(self.config).items() if key in ("num_hidden_layers", "n_blocks")
        )
        stored = {}
        for name, shape in map(self._tensor, self.tensors.splitlines()):
            for layer in range(layers if ".N." in name else 1):
                stored[name.replace(".N.", f".{layer}.")] = StoredTensor("BF16", shape, bytes(2 * prod(shape)))
        pack(checkpoint / "model.safetensors", stored)
        rules.write_text(self.rules)
        return checkpoint, rules

    @staticmethod
    def _tensor(line: str) -> tuple[str, tuple[int, ...]]:
        match = _TENSOR.fullmatch(line)
        assert match is not None, line
        return match[1], literal_eval(match[2])

    def inspect(self) -> str:
        """What ``jobs.inspect`` prints of it in a terminal."""
        with TemporaryDirectory() as scratch:
            checkpoint, rules = self.write(Path(scratch))
            settings = InspectSettings(architectures=ArchitecturesSettings(str(rules)))
            found = replace(inspect_model(str(checkpoint), settings), reference=f"./{self.name}")
        return "".join(f"{line}\n" for line in lines_of(found, _COLUMNS))


def examples() -> Iterator[Example]:
    """The examples of the page, in order."""
    for section in PAGE.read_text().split("\n## Example")[1:]:
        blocks = dict(_BLOCK.findall(section))
        yield Example(
            json.loads(blocks["json"])["model_type"], *(blocks[kind] for kind in ("json", "tensors", "toml", "text"))
        )


def main() -> None:
    page = PAGE.read_text()
    for example in examples():
        before, after = page.split(f"```toml\n{example.rules}```", 1)
        after = after.replace(f"```text\n{example.printed}```", f"```text\n{example.inspect()}```", 1)
        page = f"{before}```toml\n{example.rules}```{after}"
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
