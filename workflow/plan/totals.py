"""What a person needs for a whole recipe: billed hours, money, time and disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.errors import UserError
from model.cost import padded_vocabulary, parameters
from recipe.schema import Recipe
from recipe.slices.making import model_name
from slurm.cluster.description import Billing, Cluster
from workflow.plan.estimate import BYTES_PER_PARAMETER
from workflow.plan.phases import Nodes, Training
from workflow.plan.stages import StageJobs

_PRICE = re.compile(r"([^=]+)=\s*(\d+(?:\.\d+)?)\s+(\S+)\s*")
_BEFORE = ("sample", "held_out_text", "fingerprints", "survivors", "words", "tokenizer", "shards", "start", "rows")
"""Rules that a run waits for, one after the other."""
_AFTER = ("export", "fine_tune", "comparison", "report")
"""Rules that follow its last phase, one after the other; of all others the longest counts."""


@dataclass(frozen=True)
class Price:
    """What a unit of a billing rule costs."""

    amount: float
    currency: str
    source: str
    """Who says so."""


@dataclass(frozen=True)
class Bill:
    """What a recipe is billed in one unit. None is what is not known."""

    unit: str
    training: float | None
    stages: float | None
    """Of those rules whose time is known."""
    price: Price | None

    @property
    def all(self) -> float:
        """As far as it is known."""
        return (self.training or 0.0) + (self.stages or 0.0)


@dataclass(frozen=True)
class Totals:
    """What a person needs. None is what is not known."""

    bills: list[Bill]
    device_hours: float | None
    """Of training: devices times hours."""
    kilowatt_hours: float | None
    """Of training."""
    training_hours: float | None
    """One after the other: the phases of the longest run on a cluster, all phases on one machine."""
    stage_hours: float | None
    """Of other rules that training waits for, or that wait for it, as far as they are known."""
    ends: str | None
    """When all is done if it begins now and waits for nothing, ISO 8601."""
    kept_bytes: int
    """Checkpoints and models that are there when all is done."""
    most_bytes: int
    """The same at its most."""
    text_bytes: int | None
    """Documents, token shards and rows, which come on top."""
    unknown: list[str]
    """Rules of whose jobs nothing is known."""


def make_totals(
    recipe: Recipe,
    nodes: Nodes,
    phases: list[Training],
    longest_hours: float | None,
    stages: list[StageJobs],
    submits: bool,
    prices: dict[str, Price],
    text_bytes: int | None,
    now: datetime,
) -> Totals:
    """Return the sums of a plan.

    Args:
        recipe: that is planned.
        nodes: those of each phase.
        phases: planned.
        longest_hours: of the run whose phases take longest.
        stages: the jobs of all other rules.
        submits: whether other rules become jobs of a scheduler, and run beside one another.
        prices: billing unit -> price, before those of the cluster's description.
        text_bytes: of documents, token shards and rows; None if not known.
        now: when it would begin.
    """
    held = _sum([phase.hours for phase in phases])
    training = longest_hours if submits else held
    others = _on_the_way(stages) if submits else sum(one.time.hours for one in stages if one.time)
    ends = now + timedelta(hours=training + others) if training is not None else None
    models = sum(4 * _parameters(recipe, run) for run in recipe.runs)
    # Of the newest two that are kept, the last is the end of a stage; the one before goes only with the next.
    most = [min(phase.kept_bytes, phase.written_bytes or phase.kept_bytes) for phase in phases]
    kept = [min(size, phase.kept_bytes - _checkpoint(recipe, phase)) for size, phase in zip(most, phases, strict=True)]
    return Totals(
        bills=_bills(nodes.cluster, nodes.request.partition, phases, stages, prices),
        device_hours=held * nodes.ranks if held is not None and nodes.node and nodes.node.devices else None,
        kilowatt_hours=_sum([phase.kilowatt_hours for phase in phases]),
        training_hours=training,
        stage_hours=others or None,
        ends=ends.isoformat(timespec="minutes") if ends else None,
        kept_bytes=sum(kept) + models,
        most_bytes=sum(most) + models,
        text_bytes=text_bytes,
        unknown=[one.rule for one in stages if one.jobs and not one.time],
    )


def parse_prices(texts: list[str]) -> dict[str, Price]:
    """Read `UNIT=AMOUNT CURRENCY` from the command line.

    Raises:
        UserError: if one has another form.
    """
    prices = {}
    for text in texts:
        found = _PRICE.fullmatch(text)
        if not found:
            raise UserError(f'--price {text}: give unit, amount and currency, as in --price "GPU-hours=0.50 EUR".')
        prices[found[1]] = Price(float(found[2]), found[3], "as --price says")
    return prices


def _bills(
    cluster: Cluster, partition: str, phases: list[Training], stages: list[StageJobs], prices: dict[str, Price]
) -> list[Bill]:
    rules = {rule.unit: rule for rule in cluster.billing.values()}
    limits = cluster.partitions.get(partition)
    own = cluster.billing[limits.billing].unit if limits else ""
    units = dict.fromkeys(unit for unit in (own, *(one.unit for one in stages)) if unit)
    if unknown := prices.keys() - units.keys():
        raise UserError(
            f"--price {min(unknown)}: nothing is billed in that here, but in {', '.join(units) or 'nothing'}."
        )
    bills = []
    for unit in units:
        measured = [one.billed for one in stages if one.unit == unit and one.billed is not None]
        trained = _sum([phase.billed for phase in phases]) if unit == own else 0.0
        bills.append(
            Bill(unit, trained, sum(measured) if measured else None, prices.get(unit) or _described_price(rules[unit]))
        )
    return bills


def _described_price(rule: Billing) -> Price | None:
    source = rule.price_source or "as the cluster's description says"
    return None if rule.price is None else Price(rule.price, rule.currency, source)


def _on_the_way(stages: list[StageJobs]) -> float:
    longest = {one.rule: one.time.longest_hours for one in stages if one.time}
    beside = [hours for rule, hours in longest.items() if rule not in (*_BEFORE, *_AFTER)]
    return sum(longest.get(rule, 0.0) for rule in (*_BEFORE, *_AFTER)) + max(beside, default=0.0)


def _checkpoint(recipe: Recipe, phase: Training) -> int:
    return BYTES_PER_PARAMETER * _parameters(recipe, phase.run)


def _parameters(recipe: Recipe, run: str) -> int:
    model = recipe.models[model_name(recipe, run)]
    return parameters(model, padded_vocabulary(recipe.tokenizers[model.tokenizer]))


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
