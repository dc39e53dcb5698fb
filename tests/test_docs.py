"""The docs say what the code does."""

import re
from pathlib import Path

from gated_ray.architectures.rules import built_in_rules
from tests.dataset_doc import document

ROOT = Path(__file__).parent.parent


def test_dataset_page_is_generated_from_the_schemas() -> None:
    assert (ROOT / "docs" / "dataset.md").read_text() == document()


def test_every_model_type_that_is_said_to_be_supported_is() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|", (ROOT / "docs" / "supported.md").read_text(), re.MULTILINE)
    assert len(rows) >= 215
    assert set(rows) <= set(built_in_rules().families)


def test_readme_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "infra" / "README.md"]
    for page in [*pages, *(ROOT / "docs" / name for name in ("tour.md", "report.md"))]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
