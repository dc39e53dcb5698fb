"""The docs say what the code does."""

import re
from pathlib import Path

from gated_ray.architectures.rules import families
from tests.dataset_doc import document

ROOT = Path(__file__).parent.parent


def test_dataset_page_is_generated_from_the_schemas() -> None:
    assert (ROOT / "docs" / "dataset.md").read_text() == document()


def test_readme_names_every_supported_family_and_no_other() -> None:
    section = (ROOT / "README.md").read_text().split("## What is supported")[1].split("\n\n")[1]
    assert set(re.findall(r"`(\w+)`", section)) == set(families())


def test_readme_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "infra" / "README.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
