"""Stage: train a byte-level BPE on a sample by mixture, and write it for `tokenizers` and `transformers`.

The way of the sample: its words with their counts (`corpus.tokens.words`), which tokenizers of other sizes share ->
merges (`corpus.tokens.merges`), each made of what came before, so that a smaller vocabulary has the first of them. The
files are written whole, manifest.json last: without it nothing here is valid.

Ids: [MASK] 0, [CLS] 1, [PAD] 2, [UNK] 3, [SEP] 4, then runs of 2 to 24 spaces, the 256 bytes, and the merges.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from common.errors import run_command
from common.files import atomic_file, read_json, sha256_of, write_json
from corpus.sampling.documents import manifests_by_source
from corpus.tokens.encoding import FORMAT, TOKENIZER
from corpus.tokens.merges import learn_merges
from corpus.tokens.pretokens import MOST_SPACES, add_up, byte_characters
from corpus.tokens.pruning import give_memory_back
from corpus.tokens.special import CLS, SEP, SPECIAL_TOKENS
from corpus.tokens.words import WordCounter, count_words, language_words, read_words, tell_pruned
from recipe.slices.files import read_slice
from recipe.slices.making import sample_slice
from recipe.slices.types import TokenizerSlice

COMMAND = "python -m corpus.tokens.bpe"
SPACE_RUNS = tuple(" " * spaces for spaces in range(2, MOST_SPACES + 1))
_ADDED = [*SPECIAL_TOKENS, *SPACE_RUNS]
TRAINED_ON = "trained_on.json"
"""What a tokenizer was trained on, beside it: it is not trained again on the same."""
TRAINING = 1
"""Counts up when training comes out otherwise on the same words."""


def train(texts: Iterable[str], vocabulary: int, word_bytes: int = 2**30) -> Tokenizer:
    """Return a tokenizer with at most `vocabulary` entries; fewer if the texts yield no more merges.

    The texts are read once and only their distinct words are held.
    """
    counter = WordCounter(word_bytes)
    for text in texts:
        counter.add(pa.array([text.encode()], pa.large_binary()))
    return train_on_words([counter.result()[0]], vocabulary)


def train_on_words(groups: Sequence[pa.Table], vocabulary: int) -> Tokenizer:
    """Return a tokenizer with at most `vocabulary` entries; fewer if the words yield no more merges.

    Byte-level BPE (Sennrich et al. 2016, section 3.2; bytes after Radford et al. 2019, section 2.2) over NFC text, the
    same as `tokenizers` trains.

    Args:
        groups: words with their counts. Of several groups it is parity-aware BPE (arXiv 2508.04796).
        vocabulary: entries, the special tokens, runs of spaces and bytes among them.
    """
    characters = byte_characters()
    entries = [*_ADDED, *sorted(characters)]
    alphabet = [entries.index(character) for character in characters]
    learning = learn_merges(groups, alphabet, len(entries))
    del groups  # they have been copied
    give_memory_back()
    merges = []
    for merge in islice(learning, max(0, vocabulary - len(entries))):
        left, right = (entries[token] for token in merge)
        merges.append((left, right))
        entries.append(left + right)
    vocab = {entry: number for number, entry in enumerate(entries)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # As in ModernBERT's tokenizer the mask takes the space before it: words carry theirs, and the mask stands for one.
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False, lstrip=token == "[MASK]") for token in SPECIAL_TOKENS]
    )
    tokenizer.add_tokens([AddedToken(run, normalized=False) for run in SPACE_RUNS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $0 [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    return tokenizer


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


def make(
    recipe: TokenizerSlice, manifests: Mapping[str, Path], output: Path, words: Path | None = None, workers: int = 1
) -> dict[str, Any]:
    """Train the tokenizer, write its files beside `output`, then `output`; return the manifest.

    Args:
        recipe: what to train.
        manifests: source -> its manifest of documents.
        output: manifest to write.
        words: manifest of the sample's words; it is made if it is not there, by default in `words/` beside `output`.
        workers: processes that count.

    Raises:
        UserError: the documents or words are damaged, or there is no train text.
    """
    output.unlink(missing_ok=True)
    words = words or output.parent / "words" / "manifest.json"
    counted = count_words(sample_slice(recipe), manifests, words, workers)
    tokenizer = _trained(recipe, words, output.parent)
    vocabulary = tokenizer.get_vocab_size()
    manifest = {
        "format": FORMAT,
        "objective": recipe.objective,
        "vocabulary": vocabulary,
        "padded_vocabulary": -(-vocabulary // recipe.multiple) * recipe.multiple,
        "special": {token: number for number, token in enumerate(SPECIAL_TOKENS)},
        "fingerprint": sha256_of(output.parent / TOKENIZER),
        "sample": counted["sample"],
        "pruned": counted["pruned"],
    }
    write_json(output, manifest)
    if sentence := tell_pruned(counted, recipe.word_bytes):
        print(sentence)
    return manifest


def _trained(recipe: TokenizerSlice, words: Path, directory: Path) -> Tokenizer:
    """Return the tokenizer of a directory; it is trained unless it is there and was trained on the same words."""
    counted = {language: entry["sha256"] for language, entry in read_words(words)["languages"].items()}
    decides = {"training": TRAINING, "words": counted, "vocabulary": recipe.vocabulary, "objective": recipe.objective}
    told, path = directory / TRAINED_ON, directory / TOKENIZER
    if told.is_file() and path.is_file() and read_json(told) == decides | {"fingerprint": sha256_of(path)}:
        print(f"{recipe.name}: trained before on the same words")
        return Tokenizer.from_file(str(path))
    told.unlink(missing_ok=True)
    tokenizer = train_on_words(_groups(recipe, words), recipe.vocabulary)
    write_tokenizer(tokenizer, directory)
    write_json(told, decides | {"fingerprint": sha256_of(path)})
    return tokenizer


def _groups(recipe: TokenizerSlice, words: Path) -> list[pa.Table]:
    """Return the words of each language, or of all of them in one table if languages play no part."""
    languages = [table for _, table in language_words(words)]
    return languages if recipe.objective == "parity" else [add_up(languages)]


def _tell(recipe: TokenizerSlice, manifest: Mapping[str, Any]) -> None:
    print(f"{recipe.name}: {manifest['vocabulary']:,} entries, {manifest['padded_vocabulary']:,} rows of the embedding")
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
    parser.add_argument(
        "--words",
        type=Path,
        metavar="MANIFEST",
        help="of the sample's words, counted if it is not there (default: words/manifest.json beside the output)",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that count (default: %(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="manifest to write; the tokenizer goes beside it")
    arguments = parser.parse_args()
    recipe = read_slice(arguments.slice, TokenizerSlice)
    manifests = manifests_by_source(arguments.documents, recipe.factors, f"tokenizer {recipe.name}")
    _tell(recipe, make(recipe, manifests, arguments.output, arguments.words, arguments.workers))


if __name__ == "__main__":
    run_command(main)
