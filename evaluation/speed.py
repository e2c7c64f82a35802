"""Stage: how fast an encoder reads, and what memory it takes for it, by length: `python -m evaluation.speed`.

Its weights decide nothing, so one run speaks for all of its model. Documents of at most some length are encoded
without the head, as for embeddings, in two ways: *padded*, transformers' model on one row a document, the usual way;
and *packed*, this project's on all documents one after another. Their lengths are either all the same, or *mixed*:
spread evenly over the orders of magnitude from a sixteenth of the longest on, as those of documents are. Counted are
tokens, not slots. Memory is what is needed beside the weights.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from common.errors import UserError, run_command
from corpus.tokens.special import FIRST_ORDINARY, PAD
from evaluation.encoders import located
from evaluation.hub import HubAbsentError, write_unmeasured
from evaluation.results import write_result
from model.attention.choice import choose
from model.export import load_encoder
from model.modernbert import ModernBert

COMMAND = "python -m evaluation.speed"
Lengths = Literal["same", "mixed"]
Way = Literal["packed", "padded"]
SHORTEST = 16
"""The longest document is so many times as long as the shortest of mixed ones."""
ROUNDS = 3
TOKENS = {"cpu": 4_096, "cuda": 131_072}
"""Encoded at once, about: by the kind of device."""
_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of malloc.h."""
Encode = Callable[[], Tensor]


@dataclass(frozen=True)
class Speed:
    """What one way takes for documents of at most one length."""

    length: int
    """Tokens of the longest."""
    lengths: Lengths
    way: Way
    documents: int
    tokens: int
    slots: int
    """That were computed for these tokens."""
    seconds: float
    """Median of `ROUNDS`."""
    tokens_per_second: float
    memory_bytes: int
    """Beside the weights, at most; 0 where the system does not tell."""


def document_lengths(longest: int, lengths: Lengths, tokens: int, seed: int) -> NDArray[np.int64]:
    """Return int64[d], lengths of documents that sum to about `tokens`, the first of them the longest."""
    if lengths == "same":
        return np.full(max(1, tokens // longest), longest, np.int64)
    generator = np.random.default_rng([seed, longest])
    drawn = [longest]
    while sum(drawn) < tokens:
        drawn.append(max(1, round(longest * SHORTEST ** -generator.random())))
    return np.array(drawn, np.int64)


def packed(encoder: ModernBert, lengths: NDArray[np.int64], tokens: Tensor) -> Encode:
    """Return the encoding of documents one after another, int64[N] tokens in all."""
    layout = encoder.lay_out(np.concatenate([[0], np.cumsum(lengths)]))
    layout = layout.moved(lambda tensor: tensor.to(tokens.device))
    return lambda: encoder.encode(tokens, layout)


def padded(encoder: nn.Module, lengths: NDArray[np.int64], tokens: Tensor, filler: int = PAD) -> Encode:
    """Return the encoding of documents as rows that are filled up to the longest with the id `filler`."""
    rows = torch.full((len(lengths), int(lengths.max())), filler, dtype=torch.int64, device=tokens.device)
    there = torch.arange(rows.shape[1], device=tokens.device) < torch.tensor(lengths, device=tokens.device)[:, None]
    rows[there] = tokens
    return lambda: encoder(input_ids=rows, attention_mask=there.long()).last_hidden_state


def measure(
    model: str, lengths: list[int], device: torch.device, seed: int, tokens: int | None = None
) -> Iterator[Speed]:
    """Yield the speed of both ways, for documents of one length and of mixed ones, at each length that a model takes.

    Only a ModernBERT in a directory can be packed; any other encoder is measured padded alone.

    Args:
        model: config.json of a directory as transformers keeps a model, or a name on the hub.
        lengths: tokens of the longest documents.
        device: that computes.
        seed: of the lengths and the tokens, on which nothing depends but which these are.
        tokens: encoded at once, about; by the device if not given.

    Raises:
        HubAbsentError: the model is on the hub, which is out of reach.
        UserError: the model is missing or damaged.
    """
    from transformers import AutoModel
    from transformers.utils import logging

    logging.set_verbosity_error()  # it would tell that the head, which is not asked for, is left out
    logging.disable_progress_bar()
    where, context = located(model)
    with context:
        theirs = AutoModel.from_pretrained(where, use_safetensors=True).to(device).eval()
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    ours = _ours(Path(model), device, dtype) if theirs.config.model_type == "modernbert" else None
    generator = torch.Generator().manual_seed(seed)
    within = [length for length in lengths if length <= reach(theirs.config)]
    kinds: tuple[Lengths, ...] = ("same", "mixed")
    for longest, kind in itertools.product(within, kinds):
        own = document_lengths(longest, kind, max(longest, tokens or TOKENS[device.type]), seed)
        count = int(own.sum())
        drawn = torch.randint(FIRST_ORDINARY, theirs.config.vocab_size, (count,), generator=generator).to(device)
        if ours:
            taken = _take(packed(ours, own, drawn), device, dtype)
            yield Speed(longest, kind, "packed", len(own), count, count, taken[0], count / taken[0], taken[1])
        taken = _take(padded(theirs, own, drawn, theirs.config.pad_token_id or 0), device, dtype)
        slots = int(own.max()) * len(own)
        yield Speed(longest, kind, "padded", len(own), count, slots, taken[0], count / taken[0], taken[1])


def _ours(config: Path, device: torch.device, dtype: torch.dtype) -> ModernBert | None:
    """Return a ModernBERT in a directory as this project's, with the fastest attention here; None of another form."""
    try:
        encoder = load_encoder(config).to(device)
    except UserError:  # on the hub, or kept as other versions of transformers keep it
        return None
    shape = encoder.shape
    dimension = shape.hidden // shape.heads
    encoder.attention = choose(device, dtype, shape.heads, dimension, shape.local_attention).backend
    return encoder


def reach(config: Any) -> int:
    """Return how many tokens a model takes, by its configuration in transformers."""
    most = int(config.max_position_embeddings)
    # These count positions from after the id of padding on.
    return most - config.pad_token_id - 1 if "roberta" in config.model_type else most


def _take(encode: Encode, device: torch.device, dtype: torch.dtype) -> tuple[float, int]:
    """Return the median seconds of an encoding, and the most bytes that one takes."""
    seconds = []
    on_gpu = device.type == "cuda"
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        encode()  # kernels are chosen here
        with _memory(device) as taken:
            encode()
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            encode()
            if on_gpu:
                torch.cuda.synchronize(device)
            seconds.append(time.perf_counter() - begin)
    return median(seconds), taken[0]


@contextmanager
def _memory(device: torch.device) -> Iterator[list[int]]:
    """Give a list that holds, when the block has ended, the most bytes that it took beside those held before it.

    On a processor it is the growth of the resident set: clear_refs(5) of proc(5) begins its record anew, and mallopt(3)
    lets the C library take memory from the system and give it back at once, as it otherwise does not.
    """
    taken = [0]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield taken
        taken[0] = torch.cuda.max_memory_allocated(device) - before
        return
    library = ctypes.CDLL(None)
    try:
        library.mallopt(_MMAP_THRESHOLD, 1 << 16)
        library.malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError):  # another system, or another C library
        yield taken
        return
    before = psutil.Process().memory_info().rss
    yield taken
    library.mallopt(_MMAP_THRESHOLD, 1 << 25)
    status = Path("/proc/self/status").read_text().splitlines()
    most = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    taken[0] = max(0, most - before)


def machine(device: torch.device) -> dict[str, Any]:
    """Return what the encoder ran on."""
    names = [line.split(":")[1].strip() for line in _processor() if line.startswith("model name")]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else (names or [platform.machine()])[0]
    return {
        "device": name,
        "threads": torch.get_num_threads() if device.type == "cpu" else None,
        "precision": "bf16" if device.type == "cuda" else "fp32",
        "torch": torch.__version__,
    }


def _processor() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Measure how fast an encoder reads, padded and packed, and with what memory.",
    )
    parser.add_argument("--model", required=True, help="config.json of a model, or its name on the hub")
    parser.add_argument("--name", required=True, help="what the result calls it")
    parser.add_argument("--lengths", type=int, nargs="+", required=True, help="tokens of the longest documents")
    parser.add_argument("--tokens", type=int, help="encoded at once, about (default: by the device)")
    parser.add_argument("--seed", type=int, default=42, help="of the lengths (default: 42)")
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    arguments = parser.parse_args()
    if min(arguments.lengths) < 1 or (arguments.tokens or 1) < 1:
        raise UserError("--lengths and --tokens must be at least 1.")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 0)) or len(os.sched_getaffinity(0)))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        rows = list(measure(arguments.model, arguments.lengths, device, arguments.seed, arguments.tokens))
    except HubAbsentError as error:
        write_unmeasured(arguments.output, str(error), run=arguments.name)
        return
    told = {"machine": machine(device), "seed": arguments.seed}
    write_result(arguments.output, arguments.name, [asdict(row) for row in rows], **told)
    for row in rows:
        print(
            f"{row.length:,} tokens, {row.lengths} lengths, {row.way}: {row.tokens_per_second:,.0f} tokens/s, "
            f"{row.memory_bytes / 1e6:,.0f} MB"
        )


if __name__ == "__main__":
    run_command(main)
