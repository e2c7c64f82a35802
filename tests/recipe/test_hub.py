"""Addresses on the hub: what they name, and what is told of those that name nothing."""

import pytest

from recipe.hub import Address, address_of, checked, is_on_hub, list_name


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("hf://datasets/org/set/fi/*.parquet", Address("org/set", "main", "fi/*.parquet")),
        ("hf://datasets/org/set-2.0@v1.0/**/a b.jsonl", Address("org/set-2.0", "v1.0", "**/a b.jsonl")),
        ("hf://datasets/org/set@refs/pr/7/x/y", Address("org/set", "refs/pr/7", "x/y")),
        ("hf://datasets/org/set@refs%2Fconvert%2Fparquet/x", Address("org/set", "refs/convert/parquet", "x")),
    ],
)
def test_an_address_tells_data_set_revision_and_path(path: str, address: Address) -> None:
    assert is_on_hub(path)
    assert address_of(path) == address
    assert checked(path) == path


@pytest.mark.parametrize(
    "path", ["hf://org/set/x", "hf://datasets/set/x", "hf://datasets/org/set", "hf://datasets/org/set/a/../b", "hf://x"]
)
def test_another_one_is_refused_with_the_form_of_one(path: str) -> None:
    with pytest.raises(ValueError, match="needs hf://datasets/ORGANISATION/NAME/PATH"):
        checked(path)


def test_paths_here_are_none_and_lists_are_called_by_what_they_name() -> None:
    assert checked("data/fi/*.jsonl") == "data/fi/*.jsonl"
    assert list_name(["a", "b"]) == list_name(["a", "b"]) != list_name(["b", "a"])
