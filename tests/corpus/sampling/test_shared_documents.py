"""Sources that share documents: what one of them holds out, no other trains on."""

import json
from pathlib import Path

from corpus.sampling.documents import SPLITS, split_texts
from corpus.sampling.sample import sample
from recipe.slices.types import SourceSlice


def test_a_text_that_two_sources_share_lies_in_the_same_split_of_both(tmp_path: Path) -> None:
    shared = [f"shared text number {number}" for number in range(400)]
    splits: dict[str, dict[str, set[str]]] = {}
    for name, language in (("wiki", "fi"), ("crawl", "sv")):
        own = [f"text number {number} of {name}" for number in range(400)]
        texts = [text for pair in zip(shared, own, strict=True) for text in pair]
        raw = tmp_path / f"{name}.jsonl"
        lines = (json.dumps({"id": f"{name}-{number}", "text": text}) for number, text in enumerate(texts))
        raw.write_text("\n".join(lines), encoding="utf-8")
        manifest = tmp_path / name / "manifest.json"
        source = SourceSlice(name=name, seed=7, language=language, files=[str(raw)], held_out=0.1)
        sample(source, [raw], manifest, workers=1)
        splits[name] = {split: set(split_texts(manifest, split)) for split in SPLITS}
    for split in SPLITS:
        both = splits["wiki"][split] & splits["crawl"][split]
        assert both == splits["wiki"][split] & set(shared) == splits["crawl"][split] & set(shared)
        assert both
