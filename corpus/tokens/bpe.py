"""Train a byte-level BPE tokenizer on a sample by mixture, and write it for `tokenizers` and `transformers`.

The way of the sample: the train texts of every source, streamed -> each taken a number of times that makes its source's
share go with factor x bytes -> cut at runs of spaces, which are tokens of their own -> word counts -> merges.
Whether a text is taken is decided by a hash of it, so the sample does not depend on the order of the documents. The
files are written whole, manifest.json last: without it nothing here is valid.

Ids: [MASK] 0, [CLS] 1, [PAD] 2, [UNK] 3, [SEP] 4, then runs of 2 to 24 spaces, the 256 bytes, and the merges.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from common.errors import UserError, run_command
from common.files import atomic_file, sha256_of, write_json
from corpus.sampling.documents import manifests_by_source, read_manifest, split_texts
from corpus.tokens.encoding import FORMAT, TOKENIZER
from corpus.tokens.special import CLS, SEP, SPECIAL_TOKENS
from recipe.slices.files import read_slice
from recipe.slices.types import TokenizerSlice

COMMAND = "python -m corpus.tokens.bpe"
SPACE_RUNS = tuple(" " * spaces for spaces in range(2, 25))
_RUN = re.compile(" {2,24}")


@dataclass
class Drawn:
    """What the sample took of one source; a text taken twice counts twice."""

    bytes: int = 0
    documents: int = 0


def sample_rates(factors: Mapping[str, float], train_bytes: Mapping[str, int], sample_bytes: int) -> dict[str, float]:
    """Return how often each text of each source is taken: in the proportion of the factors.

    The expected sample is `sample_bytes`, or less where that would take even the source of the smallest factor more
    than once: repeating all of them changes no merge.
    """
    weighted = sum(factor * train_bytes[source] for source, factor in factors.items())
    scale = min(sample_bytes / weighted if weighted else 0.0, 1 / min(factors.values()))
    return {source: factor * scale for source, factor in factors.items()}


def times_taken(text: str, rate: float, seed: int) -> int:
    """Return how often `text` is taken: `rate` rounded up or down by a hash of the text, `rate` in expectation."""
    key = seed.to_bytes(8, "little")
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=key, person=b"alasin.bpe").digest()
    return int(rate) + (int.from_bytes(digest, "big") < (rate % 1) * 2**64)


def sample_texts(
    manifests: Mapping[str, Path], rates: Mapping[str, float], seed: int, drawn: dict[str, Drawn]
) -> Iterator[str]:
    """Yield the sample, source by source in the order of names; `drawn` counts along."""
    for source in sorted(rates):
        account = drawn.setdefault(source, Drawn())
        for text in split_texts(manifests[source], "train"):
            times = times_taken(text, rates[source], seed)
            account.documents += times
            account.bytes += times * len(text.encode())
            for _ in range(times):
                yield text


def train(texts: Iterator[str], vocabulary: int) -> Tokenizer:
    """Return a tokenizer with at most `vocabulary` entries; fewer if the texts yield no more merges.

    Byte-level BPE (Sennrich et al. 2016, section 3.2; bytes after Radford et al. 2019, section 2.2) over NFC text.
    The texts are read once and only their distinct words are held.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # As in ModernBERT's tokenizer the mask takes the space before it: words carry theirs, and the mask stands for one.
    specials = [AddedToken(token, normalized=False, lstrip=token == "[MASK]") for token in SPECIAL_TOKENS]
    runs = [AddedToken(run, normalized=False) for run in SPACE_RUNS]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[*specials, *runs],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # The trainer does not look for added tokens. Without the cuts it would spend merges on runs that it never meets.
    tokenizer.train_from_iterator((_RUN.split(text) for text in texts), trainer)
    tokenizer = _with_ordinary_runs(tokenizer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $0 [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    return tokenizer


def _with_ordinary_runs(tokenizer: Tokenizer) -> Tokenizer:
    """Return the tokenizer with runs of spaces as ordinary text; a trainer marks all the tokens it is given special."""
    content = json.loads(tokenizer.to_str())
    for token in content["added_tokens"]:
        token["special"] = token["content"] in SPECIAL_TOKENS
    return Tokenizer.from_str(json.dumps(content))


def write_tokenizer(tokenizer: Tokenizer, directory: Path) -> None:
    """Write tokenizer.json and what `transformers.AutoTokenizer` reads beside it."""
    names = {f"{token.strip('[]').lower()}_token": token for token in SPECIAL_TOKENS}
    config = {
        **names,
        # Read by transformers 4 and 5; the name that 5 would write is unknown to 4.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
    }
    with atomic_file(directory / TOKENIZER, "w") as stream:
        stream.write(tokenizer.to_str(pretty=True))
    write_json(directory / "tokenizer_config.json", config)
    write_json(directory / "special_tokens_map.json", names)


def make(recipe: TokenizerSlice, manifests: Mapping[str, Path], output: Path) -> dict[str, Any]:
    """Train the tokenizer, write its files beside `output`, then `output`; return the manifest.

    Raises:
        UserError: the documents are damaged, or hold no train text.
    """
    output.unlink(missing_ok=True)
    train_bytes = {source: read_manifest(path)["splits"]["train"]["bytes"] for source, path in manifests.items()}
    rates = sample_rates(recipe.factors, train_bytes, recipe.sample_bytes)
    drawn: dict[str, Drawn] = {}
    tokenizer = train(sample_texts(manifests, rates, recipe.seed, drawn), recipe.vocabulary)
    if not any(account.bytes for account in drawn.values()):
        raise UserError(
            f"the sample of tokenizer {recipe.name} is empty: its sources have {sum(train_bytes.values()):,} bytes of "
            f"train text and sample_bytes is {recipe.sample_bytes:,}; add text or raise sample_bytes."
        )
    write_tokenizer(tokenizer, output.parent)
    vocabulary = tokenizer.get_vocab_size()
    manifest = {
        "format": FORMAT,
        "vocabulary": vocabulary,
        "padded_vocabulary": -(-vocabulary // recipe.multiple) * recipe.multiple,
        "special": {token: number for number, token in enumerate(SPECIAL_TOKENS)},
        "fingerprint": sha256_of(output.parent / TOKENIZER),
        "sample": {source: vars(account) for source, account in drawn.items()},
    }
    write_json(output, manifest)
    return manifest


def _tell(recipe: TokenizerSlice, manifest: Mapping[str, Any]) -> None:
    total = sum(account["bytes"] for account in manifest["sample"].values())
    print(f"{recipe.name}: {manifest['vocabulary']:,} entries, {manifest['padded_vocabulary']:,} rows of the embedding")
    for source, account in sorted(manifest["sample"].items()):
        share = account["bytes"] / total
        print(
            f"  {source}: {account['documents']:,} texts, {account['bytes'] / 1e6:,.2f} MB, {share:.1%} of the sample"
        )
    if manifest["vocabulary"] < recipe.vocabulary:
        print(
            f"warning: tokenizer {recipe.name} has {manifest['vocabulary']:,} entries, not {recipe.vocabulary:,}: its "
            "sample yields no more merges. Add text, raise sample_bytes, or lower vocabulary in the recipe.",
            file=sys.stderr,
        )


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Train a byte-level BPE tokenizer on a sample of the sources' train texts."
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the tokenizer, from the recipe")
    parser.add_argument(
        "--documents", type=Path, nargs="+", required=True, metavar="MANIFEST", help="of each source's documents"
    )
    parser.add_argument("--output", type=Path, required=True, help="manifest to write; the tokenizer goes beside it")
    arguments = parser.parse_args()
    recipe = read_slice(arguments.slice, TokenizerSlice)
    manifests = manifests_by_source(arguments.documents, recipe.factors, f"tokenizer {recipe.name}")
    manifest = make(recipe, manifests, arguments.output)
    _tell(recipe, manifest)


if __name__ == "__main__":
    run_command(main)
