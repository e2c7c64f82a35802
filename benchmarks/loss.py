"""Time head and loss of masked positions, forward and backward, by chunks against all logits at once.

    chunks          model/loss.py
    at once         logits of all positions, `cross_entropy`, and argmax for the hits, as torch offers them

Representations and labels are random; the share is that of the three matrix products which must be computed, at the
speed of a product of 2,048 x 2,048 matrices in the same round.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
import torch.nn.functional as F

from benchmarks.measure import print_table, ratio, take_turns
from common.errors import run_command
from model.loss import cross_entropy, masked_loss

SQUARE = 2048


@dataclass(frozen=True)
class Case:
    """Masked positions, and what they are compared with."""

    positions: int
    vocabulary: int
    hidden: int


CASES = (Case(2458, 27_008, 768), Case(2458, 56_064, 768), Case(1024, 128_000, 1024))


def contestants(case: Case) -> dict[str, Callable[[], object]]:
    """Return the ways, each with the same numbers.

    Raises:
        AssertionError: if their losses differ.
    """
    hidden = torch.randn(case.positions, case.hidden, requires_grad=True)
    weight = (0.02 * torch.randn(case.vocabulary, case.hidden)).requires_grad_()
    bias = torch.zeros(case.vocabulary, requires_grad=True)
    labels = torch.randint(case.vocabulary, (case.positions,))
    leaves, one = (hidden, weight, bias), torch.ones(())

    def chunks() -> torch.Tensor:
        total = masked_loss(*leaves, labels, one, cross_entropy).total
        torch.autograd.grad(total, leaves)
        return total.detach()

    def at_once() -> torch.Tensor:
        logits = F.linear(*leaves)
        each = F.cross_entropy(logits.float(), labels, reduction="none")
        total = each.sum()
        torch.autograd.grad(total, leaves)
        assert (logits.argmax(-1) == labels).shape == labels.shape
        return total.detach()

    torch.testing.assert_close(chunks(), at_once())
    square = torch.randn(SQUARE, SQUARE)
    return {"chunks": chunks, "at once": at_once, "product": lambda: torch.mm(square, square)}


def measure(case: Case, rounds: int) -> list[str]:
    """Time a case; return its row of the table."""
    seconds = take_turns(contestants(case), rounds)
    operations = 6 * case.positions * case.vocabulary * case.hidden
    least = [operations / (2 * SQUARE**3) * time for time in seconds["product"]]
    shares = [ratio(least, seconds[name]) for name in ("chunks", "at once")]
    name = f"{case.positions:,} x {case.vocabulary:,}, hidden {case.hidden:,}"
    cells = [f"{median(seconds['chunks']):.2f}", *(f"{100 * share:.0f} %" for share in shares)]
    return [name, *cells, f"{ratio(seconds['at once'], seconds['chunks']):.2f}"]


def main(rounds: int) -> None:
    """Measure all cases and print the table."""
    torch.manual_seed(0)
    header = ["positions x vocabulary", "chunks, s", "share of the product's speed", "at once", "times as long"]
    print_table(header, [measure(case, rounds) for case in CASES])
    print(f"\nProcessor time, {rounds} rounds in turn, torch {torch.__version__}, 1 thread.")


if __name__ == "__main__":
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=5, help="times that all take turns (default: %(default)s)")
    run_command(lambda: main(made.parse_args().rounds))
