"""Sources that share documents: what one of them holds out, no other trains on."""

import json
from pathlib import Path

import pytest

from corpus.sampling.cleaning import HELD_OUT_ELSEWHERE, SPLITTING
from corpus.sampling.documents import SPLITS, split_texts
from corpus.sampling.sample import sample
from recipe.slices.types import SourceSlice


@pytest.mark.parametrize("held_out", [(0.1, 0.1), (0.1, 0.02), (0.02, 0.1), (0.3, 0)])
def test_what_one_source_holds_out_no_other_trains_on_whatever_their_shares(
    tmp_path: Path, held_out: tuple[float, float]
) -> None:
    shared = [f"shared text number {number}" for number in range(400)]
    kept: dict[str, dict[str, set[str]]] = {}
    dropped = {}
    for name, share in zip(("wiki", "crawl"), held_out, strict=True):
        own = [f"text number {number} of {name}" for number in range(400)]
        raw = tmp_path / f"{name}.jsonl"
        texts = [text for pair in zip(shared, own, strict=True) for text in pair]
        raw.write_text("\n".join(json.dumps({"text": text}) for text in texts), encoding="utf-8")
        manifest = tmp_path / name / "manifest.json"
        source = SourceSlice(
            name=name, seed=7, language="fi", files=[str(raw)], held_out=share, held_out_anywhere=max(held_out)
        )
        account = sample(source, [raw], manifest, workers=1)
        kept[name] = {split: set(split_texts(manifest, split)) for split in SPLITS}
        dropped[share] = account.dropped[HELD_OUT_ELSEWHERE]
        assert account.documents.total() + account.dropped.total() == len(texts)
        left = account.steps.get(SPLITTING, {}).get("documents")
        assert left == (account.documents.total() if share < max(held_out) else None)
    assert kept["wiki"]["train"] & set(shared) == kept["crawl"]["train"] & set(shared)
    for one, other in (("wiki", "crawl"), ("crawl", "wiki")):
        assert not kept[one]["train"] & (kept[other]["validation"] | kept[other]["test"])
    assert not dropped[max(held_out)]
    assert (dropped[min(held_out)] > 0) == (held_out[0] != held_out[1])
