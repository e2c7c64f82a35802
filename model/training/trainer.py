"""Train one phase: `python -m model.training.trainer`, one process per rank, started by `slurm.launch`.

The states of a phase:

1. The ranks meet. Rank 0 looks for the newest whole checkpoint, of this phase or of any other, whose history is a
   beginning of what the slice asks for (`model.history`); those in the phase's folder that lead elsewhere are moved to
   `superseded/`.
2. Weights and moments are loaded: from that checkpoint, else from the phase before, else weights from a start, else
   fresh from the seed. Each rank verifies its share of the files that rows will be drawn from.
3. For each stage, for each step: a batch of consecutive global rows, forward and backward in micro-batches
   (`model.training.step`), one reduction, one update if loss and gradient are in line (`model.training.guard`), one
   line of metrics.
4. After a step, if it is time or a rank was told to stop (SIGTERM or SIGUSR2), all ranks take part in a checkpoint:
   they stand still for a copy and train on while it is written (`model.training.saving`). At a stop and at the end of
   the phase they wait for it.
5. At the end of the last stage `checkpoint.json` is written, which is what Snakemake waits for.

    results/runs/{run}/{phase}/
        checkpoint.json      the declared artifact
        checkpoints/         see model/history/store.py
        metrics.jsonl, tensorboard/
        superseded/          what another recipe or format left here, in the same order
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from itertools import groupby, tee
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from common.errors import UserError, run_command
from common.files import digest_of, read_json
from common.quantities import amount
from corpus.rows.listing import read_index, read_list
from model.history.beginning import Places
from model.history.keeping import check_room, kept_steps
from model.history.options import before, decisive, started
from model.history.plan import Point, left_out, plan_of
from model.history.store import FORMAT, directory_of, pointer_facts, write_pointer
from model.history.stretches import described, extended
from model.modernbert import ModernBert, Shape
from model.starts.manifest import put_start
from model.training.acceleration import accelerate
from model.training.beginning import Beginning, agree_on_beginning
from model.training.checkpoint import load_tensors
from model.training.data import RankBatch, Share, Stream
from model.training.determinism import add_in_one_order
from model.training.engine import Engine, Update, describe_place, fresh_tensors, leave, start_process_group
from model.training.fitting import Fitting
from model.training.guard import Guard, in_vain, skipped_sentence
from model.training.memory import OUT_OF_MEMORY, MicroBatches, too_little_memory, what_to_lower
from model.training.metrics import Log, Progress, Tally, memory_bytes
from model.training.options import read_options
from model.training.recomputation import recompute_layers
from model.training.saving import Saving
from model.training.start_clock import StartClock
from model.training.step import accumulate
from model.training.validation import Validation
from model.training.verification import FOREGROUND_SECONDS, Verification, files_read, share
from recipe.schedule import phase_slots
from recipe.slices.files import read_slice
from recipe.slices.types import KeepingSlice, PhaseSlice, ValidationSlice

STOPPED = os.EX_TEMPFAIL
"""Exit status after a checkpoint that was asked for: run the same command again to go on."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR2)


class Phase:
    """One phase on one rank."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Join the other ranks and load whatever training continues from."""
        self.clock = StartClock()
        self.clock.ended("imports")
        self.slice = read_slice(arguments.slice, PhaseSlice)
        self.folder: Path = arguments.folder
        self.rows: dict[tuple[str, str], Path] = read_list(arguments.rows)
        self.checkpoint_seconds: float = arguments.checkpoint_seconds
        self.stop_asked = False
        for number in STOP_SIGNALS:
            signal.signal(number, self._ask_to_stop)
        if arguments.deterministic:
            add_in_one_order()
        self.device = start_process_group()
        self.clock.ended("group")
        print(describe_place(self.device), flush=True)
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()
        slots, recomputed = arguments.micro_batch_slots, bool(arguments.activation_checkpointing)
        self.fitting = Fitting(self.slice, slots, recomputed, self.device, self.say)
        self.languages = sorted({part.language for stage in self.slice.stages for part in stage.components})
        self.tokenizer = read_json(arguments.tokenizer)
        self._decisive = decisive(arguments)
        self.inputs = self._fingerprint()
        start = started(arguments.start)
        self.plan = plan_of(self.slice, self.rows, self.tokenizer, before(arguments), start)
        for sentence in left_out(self.plan.blends):
            self.say(sentence)
        self.ends = {point.stage: point for point in self.plan.ends}
        keeping = read_slice(arguments.keeping, KeepingSlice) if arguments.keeping else KeepingSlice()
        self.kept_steps = kept_steps(self.plan, keeping)
        self.clock.ended("plan")
        beginning = self._begin(arguments)
        self.clock.ended("beginning")
        self.position = beginning.position
        self.stretches = list(beginning.state.get("stretches", []))
        self.guard = Guard(beginning.state.get("guard", {}))
        self.engine = self._load(beginning)
        self.clock.ended("engine and weights")
        self.saving = Saving(self.folder / "checkpoints", self.kept_steps, self.engine.owned, self.device)
        self.streams = self._open_streams()
        self.verification = self._check_rows()
        self.validation = self._open_validation(arguments.validation, arguments.validation_rows)
        self.clock.ended("rows")

    def _ask_to_stop(self, number: int, _: Any) -> None:
        self.stop_asked = True
        self.say(f"{signal.Signals(number).name}: finishing this step, then a checkpoint")

    def say(self, text: str) -> None:
        """Print a line, on rank 0 only."""
        if int(os.environ["RANK"]) == 0:
            print(text, flush=True)

    def _fingerprint(self) -> str:
        """Hash what decides this phase's result: its slice, its rows, and the checkpoint it begins with."""
        return digest_of(self._decisive)

    def _check_rows(self) -> Verification:
        """Begin to verify what this phase will read, each file on one rank, and wait for it a while."""
        for index in self.rows.values():
            if read_index(index)["tokenizer"] != self.tokenizer["fingerprint"]:
                raise UserError(f"{index} was made with another tokenizer; delete its directory and run again.")
        ahead = [(stream, self._last_row(number)) for number, stream in self.streams.items()]
        files = files_read(ahead)
        size = sum(entry["bytes"] for entry in files.values())
        self.say(f"verifying the {len(files)} files that rows are drawn from, {amount(size)} bytes")
        verification = Verification(share(files, self.rank, self.world_size))
        if not verification.wait(FOREGROUND_SECONDS):
            self.say("training begins while the rest of them is verified")
        return verification

    def _open_validation(self, content: Path | None, rows: Path | None) -> Validation:
        """Return what is measured while training; it decides nothing of the result and is no part of the inputs."""
        wanted = read_slice(content, ValidationSlice) if content else ValidationSlice()
        opened = Validation(wanted, read_list(rows) if rows else {}, self.tokenizer["vocabulary"], self.device)
        if wanted.every_tokens:
            languages = ", ".join(opened.languages) or "no language: nothing is held out"
            self.say(f"validating every {amount(wanted.every_tokens)} slots on held-out rows of {languages}")
        return opened

    def _open_streams(self) -> dict[int, Stream]:
        """Return the data of each stage that is not trained yet, by its number."""
        streams: dict[int, Stream] = {}
        data = self.position.data
        for number in range(self.position.stage + self.position.stage_end, len(self.slice.stages)):
            stage, mixed = self.slice.stages[number], self.plan.blends[number]
            streams[number] = Stream(stage, mixed, data, self.slice.seed, self.tokenizer["vocabulary"], self.languages)
            data = streams[number].at(self._last_row(number))
        return streams

    def _last_row(self, number: int) -> int:
        """Return the global row of its stream that a stage ends before."""
        return self.ends[number].batch.ranges[-1][1]

    def _begin(self, arguments: argparse.Namespace) -> Beginning:
        places = Places(self.folder, arguments.runs)
        facts = {"slice": json.loads(self.slice.model_dump_json()), "inputs": self.inputs}
        previous, start = arguments.previous, arguments.start
        return agree_on_beginning(self.plan, places, previous, start, facts, self.device, self.say)

    def _load(self, beginning: Beginning) -> Engine:
        start = beginning.checkpoint
        model = ModernBert(self._shape(), None if start or beginning.start else self.slice.seed)
        if beginning.start:
            put_start(model, beginning.start)
        self.model = model.to(self.device)
        self.clock.ended("model")
        tokens = self.fitting.at_once(self.position.stage).slots
        accelerate(self.model, tokens, self.device, self.rank, self.say)
        self.clock.ended("attention and compiling")
        if self.fitting.recomputed:
            recompute_layers(self.model)
        engine = Engine(self.model, self.slice.optimizer)
        tensors = load_tensors(start, engine.moments) if start else fresh_tensors(model)
        engine.load(tensors, beginning.state.get("updates", 0))
        count = sum(parameter.numel() for parameter in model.parameters())
        if self.rank == 0:
            check_room(self.folder, sum(step > self.position.step for step in self.kept_steps), count)
        self.say(
            f"{count / 1e6:.3g}M parameters, {self.world_size} ranks, {self.device.type}, torch {torch.__version__}"
        )
        return engine

    def _shape(self) -> Shape:
        fields = self.slice.model.model_dump()
        return Shape(
            padded_vocabulary=self.tokenizer["padded_vocabulary"],
            global_rope_theta=self.slice.stages[0].rope_theta,
            **fields,
        )

    def train(self) -> None:
        """Train what is left of every stage, and write the artifact."""
        total = phase_slots(self.slice)
        self.progress = Progress(f"{self.slice.run}/{self.slice.phase}", total, self.position.phase_slots)
        self.log = Log(self.folder, self.position.step) if self.rank == 0 else None
        if self.log and self.log.repeated:
            self.say(f"training {self.log.repeated} steps again that the last attempt made after its last checkpoint")
        self.saved = time.monotonic()
        ahead = (point for point in self.plan.points() if point.step > self.position.step)
        for number, points in groupby(ahead, key=lambda point: point.stage):
            self._train_stage(number, self.streams[number], points)
        self.verification.wait()
        self.saving.finish()
        dist.barrier()  # what any rank read has been verified
        # The phase is trained: whoever asks for a stop now gets the end, and Python must not die of it on its way out.
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if self.log:
            self.log.close()
            if self._fingerprint() != self.inputs:
                raise UserError(f"the recipe or the data of {self.folder} changed while it trained; run it again.")
            last = directory_of(self.folder / "checkpoints", self.position.step)
            facts = pointer_facts(self.slice, self.position)
            write_pointer(self.folder / "checkpoint.json", last, facts, self.inputs)
            self.say(f"{self.folder / 'checkpoint.json'} names {last.name}")

    def at_once(self) -> MicroBatches:
        """Return what this rank computes at once in the present stage."""
        return self.fitting.at_once(self.position.stage)

    def _train_stage(self, number: int, stream: Stream, points: Iterator[Point]) -> None:
        stage, position = self.slice.stages[number], self.position
        position.stage, position.stage_end = number, False
        if position.data.mixture != stream.place.mixture:
            position.data = stream.place
        self.done = described(self.slice, number, self.plan.blends[number])
        self.model.set_global_rope_theta(stage.rope_theta)
        kept = {name: getattr(stage, name) for name in ("length", "masking_rate", "rope_theta")}
        self.guard.enter({"mixture": stream.place.mixture, **kept})
        micro_rows = self.fitting.rows(self.model, number)
        now, ahead = tee(points)
        waiting = time.monotonic()
        share = Share(self.rank, self.world_size, micro_rows, self.model.lay_out, self.device)
        batches = stream.batches((point.batch for point in ahead), share)
        for point, batch in zip(now, batches, strict=True):
            began = time.monotonic()
            self.verification.wait(0)
            self.saving.check()
            self.clock.ended("first batch")
            tally, update = self._step(point, batch, stream)
            ended = time.monotonic()
            if self.clock.running:
                self.clock.ended("first step")
                self.say(self.clock.sentence())
            slots = position.slots
            self._advance(point, stream, tally)
            due = self.validation.due(slots, position.slots)
            facts: dict[str, Any] = {"validation": self.validation.measure(self.model)} if due else {}
            facts |= {"step_seconds": ended - waiting, "data_wait_seconds": began - waiting}
            self._report(tally, update, batch, facts)
            self._maybe_checkpoint(tally, stream)
            waiting = time.monotonic()

    def _step(self, point: Point, batch: RankBatch, stream: Stream) -> tuple[Tally, Update]:
        """Compute one batch, and update the weights if its sums over all ranks are in line; return both."""
        tally = Tally(len(self.languages), len(stream.parts), self.device)
        accumulate(self.model, self.engine, batch, tally, self.device)
        due = self.rank == 0 and time.monotonic() - self.saved >= self.checkpoint_seconds
        tally.share(batch.drawn, self.stop_asked, due, self.engine.order)
        loss = tally.summary(self.languages)["loss"]
        judge = partial(self.guard.judge, point.step, loss)
        return tally, self.engine.step(batch.batch.learning_rate, judge)

    def _advance(self, point: Point, stream: Stream, tally: Tally) -> None:
        position = self.position
        position.step, position.slots, position.history = point.step, point.slots, point.history
        position.stage, position.phase_slots, position.stage_end = point.stage, point.phase_slots, point.stage_end
        position.data = replace(position.data, rows=point.batch.ranges[-1][1])
        for part, tokens in zip(stream.parts, tally.drawn, strict=True):
            position.tokens[part.text] = position.tokens.get(part.text, 0) + tokens
            source = part.component.source
            position.drawn[source] = position.drawn.get(source, 0) + tokens

    def _report(self, tally: Tally, update: Update, batch: RankBatch, facts: dict[str, Any]) -> None:
        """Write the metrics of a step. Raises `UserError` where too many steps have been skipped."""
        summary = tally.summary(self.languages)
        if update.objection:
            rows = (batch.batch.ranges[0][0], batch.batch.ranges[-1][1] - 1)
            place = f"{self.slice.run}/{self.slice.phase}"
            self.say(skipped_sentence(self.position, rows, update.objection, place))
            facts |= {"skipped": True, "skip_reason": update.objection, "last_row": rows[1]}
            facts |= {"stream": self.position.data.stream}
        self._write_metrics(summary, tally, update, batch, facts)
        if self.guard.too_many:
            self.saving.finish()
            raise UserError(in_vain(self.guard, self.position.step, self.folder))

    def _write_metrics(
        self, summary: dict[str, Any], tally: Tally, update: Update, batch: RankBatch, facts: dict[str, Any]
    ) -> None:
        if not self.log:
            return
        position = self.position
        tokens_per_second = sum(tally.drawn) / facts["step_seconds"]
        self.log.write(
            {
                "step": position.step,
                "stage": position.stage,
                "length": self.slice.stages[position.stage].length,
                "slots": position.slots,
                "phase_slots": position.phase_slots,
                "first_row": batch.batch.ranges[0][0],
                "batch_rows": batch.batch.rows,
                "batch_tokens": sum(tally.drawn),
                "learning_rate": batch.batch.learning_rate,
                "gradient_norm": update.norm,
                "skipped_steps": self.guard.count,
                "tokens_per_second": tokens_per_second,
                "memory_bytes": memory_bytes(self.device),
                **self.saving.seconds(),
                **facts,
                **summary,
            }
        )
        finished = position.stage_end and position.stage == len(self.slice.stages) - 1
        self.progress.show(position.phase_slots, summary["loss"], tokens_per_second, finished)

    def _maybe_checkpoint(self, tally: Tally, stream: Stream) -> None:
        """Save if the step is kept, a rank was told to stop, or rank 0's clock says so; leave if told to stop."""
        if not (tally.stop or tally.checkpoint_due or self.position.step in self.kept_steps):
            return
        self.position.data = stream.at(self.position.data.rows)
        self.stretches = extended(self.stretches, self.done, self.position.step, self.position.slots)
        self.saving.save(self.position.step, self._state())
        self.saved = time.monotonic()
        finished = self.position.stage_end and self.position.stage == len(self.slice.stages) - 1
        if tally.stop and not finished:
            self.saving.finish()
            self.say(f"stopped after step {self.position.step}, with a checkpoint")
            if self.log:
                self.log.close()
            dist.destroy_process_group()
            sys.exit(STOPPED)

    def _state(self) -> dict[str, Any]:
        """Return what `state.json` holds; equal training gives equal content."""
        return {
            "format": FORMAT,
            "position": asdict(self.position),
            "updates": self.engine.updates,
            "guard": self.guard.state(),
            "stretches": self.stretches,
            "inputs": self.inputs,
            "slice": json.loads(self.slice.model_dump_json()),
            "tokenizer": self.tokenizer["fingerprint"],
            "world_size": self.world_size,
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
        }


def main() -> None:
    """Train a phase from the command line."""
    arguments = read_options()
    phase = None
    try:
        phase = Phase(arguments)
        phase.train()
    except Exception as error:
        if not too_little_memory(error):
            raise
        at_once = phase.at_once() if phase else None
        print(f"error: {what_to_lower(error, at_once, torch.cuda.is_available())}", file=sys.stderr)
        sys.exit(OUT_OF_MEMORY)
    dist.destroy_process_group()


if __name__ == "__main__":
    try:
        run_command(main, lasting_status=os.EX_DATAERR)
    except SystemExit as ended:
        leave(ended.code if isinstance(ended.code, int) else 0)
    leave(0)
