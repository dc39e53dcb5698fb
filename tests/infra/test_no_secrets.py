"""No secret is written down in infra/, and what a person must put in is the same everywhere."""

import re

import pytest

from tests.infra.manifests import INFRA, ROOT, YAML_FILES, documents, mappings

FILES = sorted(path for path in INFRA.rglob("*") if path.is_file())
README = (INFRA / "README.md").read_text()

KEY_LIKE = {
    "Hugging Face token": r"hf_[A-Za-z]{20,}",
    "AWS key id": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "Google key": r"\bAIza[\w-]{35}\b|\bGOOG[A-Z0-9]{20,}\b",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{30,}",
    "long random string": r"(?<![\w/.:-])(?=\S*\d)(?=\S*[A-Z])(?=\S*[a-z])[A-Za-z0-9+/]{32,}={0,2}(?![\w/.-])",
}
SECRET_NAMES = re.compile(r"token|secret|password|access_key|credential", re.IGNORECASE)


@pytest.mark.parametrize("what", KEY_LIKE)
def test_nothing_looks_like_a_secret(what: str) -> None:
    for path in [*FILES, ROOT / ".dockerignore"]:
        assert not re.search(KEY_LIKE[what], path.read_text()), f"{what} in {path}"


def test_the_patterns_find_what_they_name() -> None:
    samples = {
        "Hugging Face token": "hf_" + "aB" * 17,
        "AWS key id": "AKIA" + "Q7" * 8,
        "Google key": "AIza" + "x" * 35,
        "private key": "-----BEGIN RSA PRIVATE KEY-----",
        "GitHub token": "ghp_" + "a1" * 18,
        "long random string": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    }
    for what, sample in samples.items():
        assert re.search(KEY_LIKE[what], f"value: {sample}\n"), what


def test_values_of_keys_with_secret_names_are_references() -> None:
    development = {"development"}
    for path in YAML_FILES:
        for document in documents(path):
            for where, mapping in mappings(document):
                for key, value in mapping.items():
                    if SECRET_NAMES.search(key) and isinstance(value, str):
                        allowed = path.name == "compose.yaml" and value in development
                        assert allowed or key == "~/.ray/auth_token", f"{path.name}: {where}: {key}"
                if SECRET_NAMES.search(str(mapping.get("name", ""))):
                    assert "value" not in mapping, f"{path.name}: {where}"


def test_what_is_to_be_replaced_is_what_the_readme_replaces() -> None:
    """One table in the README names every placeholder; its sed replaces them in all files."""
    placeholders = set(re.findall(r"^\| `([^`]+)` \|", README, re.MULTILINE))
    assert placeholders == {"registry.example.com", "my-bucket", "my-project", "111122223333", "us-east-1"}
    (sed,) = re.findall(r"sed -i(.*?)\n```", README, re.DOTALL)
    for placeholder in placeholders:
        assert f"s|{placeholder}|$" in sed
    used = "".join(path.read_text() for path in FILES if path.suffix in (".yaml", ".sh"))
    assert all(placeholder in used for placeholder in placeholders)
    images = set(re.findall(r"[\w./-]+/gated-ray:\w+", used))
    assert images == {"registry.example.com/gated-ray:cpu", "registry.example.com/gated-ray:cuda"}
    assert set(re.findall(r"s3://[\w-]+/", used)) == {"s3://my-bucket/", "s3://gated-ray/"}
