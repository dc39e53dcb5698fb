"""Activation statistics on a GPU: compiled by Triton, the numbers are those of the tiles, and of the CPU up to rounding."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.activations.taking import Taker
from tests.conformance.tiny_models import save_tiny

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine"),
]

TINY = "tests/data/tiny-docs-llama@main"


def documents_of(taker: Taker) -> list[list[int]]:
    generator = torch.Generator().manual_seed(5)
    lengths = torch.randint(1, 200, (40,), generator=generator).tolist()
    return [torch.randint(taker.runner.vocabulary, (length,), generator=generator).tolist() for length in lengths]


def test_compiled_and_in_tiles() -> None:
    cuda = torch.device("cuda")
    plain, fused = (Taker(TINY, device=cuda, fused=fused) for fused in (False, True))
    documents = documents_of(plain)
    (rows, examples), (fused_rows, fused_examples) = (taker.tables(documents, cuts=[7]) for taker in (plain, fused))
    for name in rows.column_names:
        if "_mean_" in name:
            np.testing.assert_allclose(rows[name], fused_rows[name], rtol=1e-6, atol=1e-9, equal_nan=True)
        else:
            assert rows[name].equals(fused_rows[name]), name
    np.testing.assert_allclose(examples["value"], fused_examples["value"], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("case", ["llama", "mixtral", "gpt_oss"])
def test_as_on_the_cpu(case: str, tmp_path: Path) -> None:
    save_tiny(case, tmp_path)
    on_gpu, on_cpu = Taker(tmp_path, device=torch.device("cuda")), Taker(tmp_path)
    documents = documents_of(on_cpu)[:12]
    documents = [document[:100] for document in documents]
    ours, theirs = on_gpu.tables(documents)[0], on_cpu.tables(documents)[0]
    assert ours["tokens"].equals(theirs["tokens"])
    np.testing.assert_allclose(ours["gate_positive_freq"], theirs["gate_positive_freq"], atol=0.01, equal_nan=True)
    np.testing.assert_allclose(
        ours["gate+_in+_mean_post"], theirs["gate+_in+_mean_post"], rtol=0.02, atol=1e-3, equal_nan=True
    )
