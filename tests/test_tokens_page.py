"""docs/tokens.md says what the schema says."""

from gated_ray.store.activation_schemas import TOKENS
from tests.dataset_doc import section
from tests.test_docs import ROOT


def test_the_columns_are_those_of_the_schema() -> None:
    assert section("tokens", TOKENS) in (ROOT / "docs" / "tokens.md").read_text()
