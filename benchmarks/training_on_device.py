"""Training steps on a GPU: the Finnish recipe's shapes, how near they come to its limit, and where the time goes.

`python -m benchmarks.training --device cuda`. A step is the trainer's own: micro-batches of `--slots` slots forward and
backward in bf16, then the optimizer. Pieces are as long as those of the text; their tokens are drawn at random from the
whole vocabulary, which the speed does not depend on. *padded* is transformers' ModernBertForMaskedLM as the paper
trains, a piece a row, as many slots at once, with torch's AdamW: how many times as long as ours for a real token. MFU
is what `benchmarks/flops.py` counts, of the device's peak in bf16 where that is known. The profile is of one step, by
`benchmarks/kernels.py`.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
import torch

from benchmarks.batches import Batch, OurStep, alone, masked_batches
from benchmarks.flops import peak_flops, step_flops
from benchmarks.kernels import NAMES, Profile, profile_of, work_of
from benchmarks.measure import PackedRow, PackedText, pack_text, print_table, read_text, train_encoder
from benchmarks.transformers_steps import padded, with_weights_of
from common.errors import UserError
from corpus.tokens.special import CLS, FIRST_ORDINARY, SEP
from model.modernbert import ModernBert, Shape
from model.training.determinism import add_in_one_order
from model.training.metrics import memory_bytes

MICRO_BATCHES = 2
"""Of a step."""
UNMEASURED = 2
"""Steps before those that are timed: memory is taken and kernels are chosen or compiled."""


@dataclass(frozen=True)
class Measured:
    """What one shape did at one row length."""

    tokens_per_second: float
    flops_per_second: float
    padded: float
    """How many times as long transformers takes, padded, for a real token."""
    memory_bytes: int
    attention: str
    """Backend that was chosen."""
    profile: Profile
    """Of one of our steps."""


def anew(rows: list[PackedRow], vocabulary: int) -> list[PackedRow]:
    """Return rows whose pieces are as long, of tokens drawn at random from a vocabulary."""
    generator = np.random.default_rng(0)
    drawn = []
    for row in rows:
        tokens = generator.integers(FIRST_ORDINARY, vocabulary, len(row.tokens))
        ends = np.cumsum(row.lengths)
        tokens[ends - 1], tokens[ends - row.lengths] = SEP, CLS
        drawn.append(PackedRow(tokens, row.lengths))
    return drawn


def timed(device: torch.device, step: Callable[[], object], steps: int) -> float:
    """Return the median seconds of a step on the clock."""
    seconds = []
    for number in range(UNMEASURED + steps):
        synchronize(device)
        began = time.perf_counter()
        step()
        synchronize(device)
        if number >= UNMEASURED:
            seconds.append(time.perf_counter() - began)
    return median(seconds)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def profiled(device: torch.device, step: Callable[[], object]) -> Profile:
    """Return where the time of a step goes."""
    from torch.profiler import ProfilerActivity, profile

    on_gpu = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as seen:
        began = time.perf_counter()
        step()
        synchronize(device)
        seconds = time.perf_counter() - began
    return profile_of(work_of(seen.events(), on_gpu), seconds)


def measure(device: torch.device, shape: Shape, text: PackedText, slots: int, steps: int) -> Measured:
    """Measure one shape on packed rows of a text, `slots` at once, and padded."""
    clear(device)
    rows = max(1, slots // text.length)
    ours = measure_ours(device, shape, text, rows, steps)
    clear(device)
    return replace(ours, padded=ours.tokens_per_second / measure_padded(device, shape, text, rows, steps))


def measure_ours(device: torch.device, shape: Shape, text: PackedText, rows: int, steps: int) -> Measured:
    """Measure our step, not yet beside the other."""
    drawn = anew(text.rows(MICRO_BATCHES * rows), shape.padded_vocabulary)
    [batch] = masked_batches(drawn, len(drawn), shape.padded_vocabulary)
    ours = OurStep(shape, device, rows, text.length, print)
    ready = ours.of(batch)

    def step() -> None:
        ours.accumulate(ready)
        ours.update()

    seconds = timed(device, step, steps)
    return Measured(
        tokens_per_second=batch.tokens / seconds,
        flops_per_second=step_flops(shape, batch.lengths, batch.predicted) / seconds,
        padded=0.0,
        memory_bytes=memory_bytes(device),
        attention=ours.model.attention.name,
        profile=profiled(device, step),
    )


def measure_padded(device: torch.device, shape: Shape, text: PackedText, rows: int, steps: int) -> float:
    """Return real tokens a second of transformers' step on padded rows, `rows` at once."""
    theirs = with_weights_of(ModernBert(shape, seed=0), device)
    [documents] = masked_batches(anew(text.pieces(rows), shape.padded_vocabulary), rows, shape.padded_vocabulary)
    seconds = timed(device, padded_step(theirs, documents, text.length, device), steps)
    return MICRO_BATCHES * rows * text.tokens_per_piece / seconds


def padded_step(theirs: torch.nn.Module, documents: Batch, length: int, device: torch.device) -> Callable[[], None]:
    """Return a step of transformers' encoder on padded rows, with as many micro-batches as ours."""
    loss = padded(theirs, documents, length, device)
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=0.0)

    def step() -> None:
        for _ in range(MICRO_BATCHES):
            loss().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def clear(device: torch.device) -> None:
    """Give back memory that nothing uses any more, and count anew how much is held at most."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def measure_device(
    arguments: argparse.Namespace, shapes: Mapping[str, Shape], lengths: Sequence[int], vocabulary: int
) -> None:
    """Measure all shapes at all row lengths on the device of this process, and print the tables.

    Args:
        arguments: of `benchmarks.training`.
        shapes: name -> shape.
        lengths: of rows.
        vocabulary: entries of the tokenizer that tells how long pieces are.

    Raises:
        UserError: another device is there than was asked for.
    """
    if arguments.deterministic:
        add_in_one_order()
    device = alone()
    if device.type != torch.device(arguments.device).type:
        raise UserError(f"torch {torch.__version__} sees no {arguments.device}; --device {device.type} is there.")
    name = torch.cuda.get_device_properties(device).name if device.type == "cuda" else "CPU"
    peak = peak_flops(name)
    text = read_text(arguments.data)
    encoder = train_encoder(text, vocabulary)
    found = {}
    for length in lengths:
        packed = pack_text(text, encoder, length)
        for title, shape in shapes.items():
            measured = measure(device, shape, packed, arguments.slots, arguments.rounds)
            found[f"{title}, {length:,}"] = measured
            print(f"{title} at {length:,}: {measured.tokens_per_second:,.0f} tokens/s", flush=True)
    show(found, peak)
    said = f"peak {peak / 1e12:g} TFLOP/s in bf16" if peak else "its peak is not known here, so that there is no MFU"
    print(f"\n{name}, {said}. Text: {text.name}. {MICRO_BATCHES} x {arguments.slots:,} slots a step, medians of")
    print(f"{arguments.rounds} steps, torch {torch.__version__}.")


def show(found: dict[str, Measured], peak: float | None) -> None:
    """Print a table of speeds, one of where the time goes, and the kernels that take longest."""
    rows = [
        [
            title,
            f"{one.tokens_per_second:,.0f}",
            f"{one.flops_per_second / 1e12:.3g}",
            f"{100 * one.flops_per_second / peak:.1f} %" if peak else "-",
            f"{one.padded:.1f}",
            f"{one.memory_bytes / 2**30:.1f}",
            one.attention,
        ]
        for title, one in found.items()
    ]
    print_table(["shape, row length", "tokens/s", "TFLOP/s", "MFU", "padded", "memory, GiB", "attention"], rows)
    print()
    print_table(
        ["share of the time, %", *NAMES],
        [[title, *(f"{100 * one.profile.shares[name]:.1f}" for name in NAMES)] for title, one in found.items()],
    )
    for title, one in found.items():
        print(f"\n{title}, what takes longest:")
        for group, name, share in one.profile.longest:
            print(f"  {100 * share:5.1f} %  {group}: {name[:90]}")
