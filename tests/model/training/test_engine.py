import importlib.util
import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from common.errors import UserError
from model.training import engine
from model.training.engine import device_number, share_of_weights, start_process_group

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("engine_ranks.py")
spec = importlib.util.spec_from_file_location("engine_ranks", SCRIPT)
ranks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ranks)


def launch(ranks, output, *arguments):
    """Run the script on so many ranks; return what it told, and the logs of their errors."""
    output.parent.mkdir(exist_ok=True)
    logs = [output.with_name(f"rank-{rank}.log") for rank in range(ranks)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        subprocess.Popen(
            [sys.executable, SCRIPT, output, *arguments],
            env=os.environ | place | {"RANK": str(rank), "LOCAL_RANK": str(rank), "PYTHONPATH": str(ROOT)},
            stderr=log.open("wb"),
        )
        for rank, log in enumerate(logs)
    ]
    for process, log in zip(processes, logs, strict=True):
        process.wait(timeout=240)
        assert process.returncode == 0, f"{process.returncode}: {log.read_text()[-2000:]}"
    return json.loads(output.read_text()), [log.read_text() for log in logs]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="module", params=[1, 2, 3])
def trained(request, folder):
    return launch(request.param, folder / f"ranks-{request.param}" / "result.json")


def plain_adamw(parameters, settings):
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [torch.optim.AdamW(groups, lr=1e-2, betas=(settings.beta1, settings.beta2), eps=settings.eps)]


class PlainStableAdamW(torch.optim.Optimizer):
    """Algorithm 2 of arXiv 2304.13013 as it stands there, one tensor after another."""

    def __init__(self, parameters, settings):
        super().__init__(parameters, {})
        self.settings, self.step_number = settings, 0

    @torch.no_grad()
    def step(self):
        self.step_number += 1
        for p in self.param_groups[0]["params"]:
            state, rest = self.state[p], self.settings
            beta1, beta2 = (
                beta * (1 - beta ** (self.step_number - 1)) / (1 - beta**self.step_number)
                for beta in (rest.beta1, rest.beta2)
            )
            v = state["v"] = beta1 * state.get("v", 0) + (1 - beta1) * p.grad
            u = state["u"] = beta2 * state.get("u", 0) + (1 - beta2) * p.grad**2
            rms = float((p.grad**2 / u.clamp(min=rest.eps**2)).mean()) ** 0.5
            rate = 1e-2 / max(1.0, rms)
            decay = rest.weight_decay if p.ndim > 1 else 0.0
            p.copy_(p - rate * decay * p - rate * v / (u.sqrt() + rest.eps))


def torch_s_muon(parameters, settings):
    matrices = [p for p in parameters if p.ndim > 1]
    rest = [p for p in parameters if p.ndim <= 1]
    options = {"momentum": settings.momentum, "weight_decay": settings.weight_decay}
    muon = torch.optim.Muon(matrices, lr=1e-2, adjust_lr_fn="match_rms_adamw", **options)
    betas = (settings.beta1, settings.beta2)
    rate = 1e-2 * settings.rest_rate_factor
    return [muon, torch.optim.AdamW(rest, lr=rate, betas=betas, eps=settings.eps, weight_decay=0.0)]


REFERENCES = {
    "adamw": plain_adamw,
    "stable_adamw": lambda parameters, settings: [PlainStableAdamW(parameters, settings)],
    "muon": torch_s_muon,
}


@pytest.fixture(scope="module", params=REFERENCES)
def reference(request):
    """The same training by torch alone: whole batches, one process. Name of the optimizer, norms, weights."""
    model, settings = ranks.network(), ranks.OPTIMIZERS[request.param]
    optimizers = REFERENCES[request.param](list(model.parameters()), settings)
    norms = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)  # in which torch makes matrices orthogonal
        for step in range(10):
            inputs, targets = ranks.batch(step)
            model.zero_grad()
            (sum(ranks.row_loss(model, inputs, targets, row) for row in range(ranks.ROWS)) / ranks.ROWS).backward()
            largest = settings.gradient_clip or math.inf
            norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), largest)))
            for optimizer in optimizers:
                optimizer.step()
    return request.param, norms, dict(model.named_parameters())


def test_training_equals_the_plain_optimizer_on_the_whole_batch_however_many_ranks(trained, reference):
    name, norms, weights = reference
    found = trained[0][name]
    assert found["norms"] == pytest.approx(norms, rel=1e-4)
    for parameter, value in found["weights"].items():
        assert torch.allclose(torch.tensor(value), weights[parameter], atol=2e-6), parameter


@pytest.mark.parametrize("name", REFERENCES)
def test_state_taken_out_and_put_into_a_new_engine_continues_to_the_same_bits(trained, name):
    assert trained[0][name]["exact"]


def test_a_checkpoint_of_two_ranks_is_the_same_after_one_and_after_two_ranks_have_held_it(folder):
    launch(2, folder / "two" / "result.json")
    for ranks_there, there, source in ((1, "one", "two"), (2, "two again", "one")):
        same = launch(ranks_there, folder / there / "result.json", folder / source)[0]
        assert same == dict.fromkeys(REFERENCES, True)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_gradient_of_one_rank_that_is_no_number_and_an_objection_leave_no_trace_on_any_rank(trained, name):
    skipped = trained[0][name]["skipped"]
    assert len(skipped) == 8
    assert [what for what, right in skipped.items() if not right] == []


def test_a_rank_s_log_of_errors_has_no_warnings_of_libraries_about_each_other_but_all_others(trained):
    for errors in trained[1]:
        lines = errors.splitlines()
        assert len(lines) == 2
        assert lines[0].endswith("FutureWarning: something else will change")
        assert lines[1].lstrip().startswith("warnings.warn(")


def test_a_small_model_is_trained_in_little_memory(trained):
    """DeepSpeed alone takes 2 GB for gradients, whatever the model, and each engine here of its own."""
    assert trained[0]["taken"] < 1 << 30


@pytest.mark.parametrize("world_size", [1, 2, 3, 7, 64])
def test_each_weight_is_written_by_one_rank_and_no_rank_writes_much_more_than_another(world_size):
    sizes = [57_000, *[2_600, 5_300, 3_100, 1_000, 1] * 28]
    weights = {f"layer {number}": torch.empty(size) for number, size in enumerate(sizes)}
    shares = [share_of_weights(weights, rank, world_size) for rank in range(world_size)]
    assert sorted(name for share in shares for name in share) == sorted(weights)
    loads = [sum(weights[name].numel() for name in share) for share in shares]
    assert max(loads) <= max(max(sizes), sum(sizes) / world_size + 5_300)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_rank_that_sees_no_gpu_refuses_where_the_job_asked_for_some(monkeypatch):
    monkeypatch.setenv("ALASIN_DEVICES", "8")
    with pytest.raises(UserError, match=r"sees no GPU on .*, though the job asked for 8 on each node"):
        start_process_group()


@pytest.mark.parametrize(
    ("local_rank", "shown", "environment", "number"),
    [
        (0, 1, {}, 0),
        (3, 8, {}, 3),
        (3, 8, {"ROCR_VISIBLE_DEVICES": "0,1,2,3,4,5,6,7"}, 3),
        (3, 1, {"ROCR_VISIBLE_DEVICES": "3"}, 0),
        (1, 1, {"CUDA_VISIBLE_DEVICES": "1"}, 0),
    ],
)
def test_a_rank_takes_its_own_gpu(local_rank, shown, environment, number):
    assert device_number(local_rank, shown, environment) == number


def test_deepspeed_is_told_the_number_of_the_device_where_a_rank_is_shown_its_own_alone(monkeypatch):
    """It takes LOCAL_RANK for that number, and there is no device 3 among the one that this rank sees."""
    told = []

    class DeepSpeed:
        @staticmethod
        def init_distributed(**options):
            told.append((options["dist_backend"], os.environ["LOCAL_RANK"]))

    for name, value in {"LOCAL_RANK": "3", "ROCR_VISIBLE_DEVICES": "3"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: told.append(device))
    monkeypatch.setattr(engine, "_deepspeed", lambda: DeepSpeed)
    assert start_process_group() == torch.device("cuda", 0)
    assert told == [torch.device("cuda", 0), ("nccl", "0")]


@pytest.mark.parametrize(("local_rank", "shown", "environment"), [(1, 1, {}), (2, 2, {"CUDA_VISIBLE_DEVICES": "0,1"})])
def test_more_ranks_than_gpus_are_refused(local_rank, shown, environment):
    with pytest.raises(UserError, match=f"rank {local_rank} of this node has no GPU of its own: {shown} are seen"):
        device_number(local_rank, shown, environment)
