"""What partitions allow and charge, on LUMI's description."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm.cluster.cost import Resources, billed_per_hour, broken_limits, training_request, watts
from slurm.cluster.description import read_cluster

LUMI = read_cluster("lumi")
GENERIC = read_cluster("generic")
RESOURCES = st.builds(
    Resources,
    partition=st.sampled_from(sorted(LUMI.partitions)),
    nodes=st.integers(1, 64),
    cores=st.integers(1, 128),
    minutes=st.just(60.0),
    memory_mb=st.integers(0, 480 * 1024),
    devices=st.integers(0, 8),
)


def broken(partition: str, nodes: int = 1, processes: int = 8, minutes: float = 60) -> list[str]:
    return broken_limits(LUMI, training_request(LUMI, partition, nodes, processes, minutes))


@pytest.mark.parametrize(
    ("partition", "cores", "memory_gib", "devices", "price"),
    [
        ("standard-g", 56, 0, 8, 4.0),
        ("standard-g", 7, 0, 1, 4.0),  # whole nodes, whatever is asked for
        ("small-g", 7, 60, 1, 0.5),
        ("small-g", 16, 60, 1, 1.0),  # cores of two GCDs
        ("small-g", 17, 60, 1, 1.5),
        ("dev-g", 7, 65, 1, 1.0),  # memory of two GCDs
        ("standard", 1, 1, 0, 128.0),
        ("small", 16, 32, 0, 16.0),
        ("small", 16, 33, 0, 17.0),  # a core comes with 2 GB
        ("largemem", 32, 800, 0, 32.0),
    ],
)
def test_an_hour_costs_what_lumi_says(partition: str, cores: int, memory_gib: int, devices: int, price: float) -> None:
    asked = Resources(partition, 1, cores, 60, memory_gib * 1024, devices)
    assert billed_per_hour(LUMI, asked) == price


def test_a_phase_on_shared_nodes_pays_for_its_devices() -> None:
    assert billed_per_hour(LUMI, training_request(LUMI, "small-g", 2, 4, 60)) == 2 * 4 * 0.5


@given(asked=RESOURCES, field=st.sampled_from(["nodes", "cores", "memory_mb", "devices"]), more=st.integers(1, 64))
def test_asking_for_more_never_costs_less(asked: Resources, field: str, more: int) -> None:
    larger = Resources(**{**vars(asked), field: getattr(asked, field) + more})
    assert billed_per_hour(LUMI, larger) >= billed_per_hour(LUMI, asked)


@given(asked=RESOURCES)
def test_nodes_cost_the_same_each(asked: Resources) -> None:
    one = Resources(**{**vars(asked), "nodes": 1})
    assert billed_per_hour(LUMI, asked) == asked.nodes * billed_per_hour(LUMI, one)


def test_the_finnish_models_request_is_taken() -> None:
    assert broken("standard-g", nodes=8, minutes=2880) == []


def test_too_long_a_walltime_names_the_limit_and_a_partition_that_would_take_it() -> None:
    assert broken("standard-g", minutes=60 * 60) == [
        "standard-g runs at most 2 d (2880 minutes) a job, but runtime is 2 d 12 h; "
        "set a smaller runtime in the profile, or choose small-g."
    ]


def test_a_limit_itself_is_within_the_limit() -> None:
    assert broken("dev-g", nodes=32, minutes=180) == []
    assert len(broken("dev-g", nodes=33, minutes=181)) == 2


def test_too_many_nodes_name_the_limit_and_where_they_fit() -> None:
    [sentence] = broken("small-g", nodes=8)
    assert "small-g gives a job at most 4 nodes, but 8 are asked for" in sentence
    assert sentence.endswith("or choose standard-g or dev-g.")


def test_more_processes_than_devices_break_a_limit() -> None:
    sentences = broken("standard-g", processes=9)
    assert "standard-g has 8 MI250X GCDs on a node, but 9 are asked for" in sentences[0]
    assert "standard-g has 56 cores on a node, but 63 are asked for" in sentences[1]


def test_a_phase_is_not_trained_on_a_partition_without_gpus() -> None:
    [sentence] = broken("standard")
    assert "standard has no GPUs on a node, but 8 are asked for" in sentence
    assert sentence.endswith("or choose standard-g or small-g or dev-g.")


@pytest.mark.parametrize(("name", "what"), [("gpu", "there is no partition 'gpu'"), ("", "no partition is given")])
def test_a_partition_that_is_not_there_gets_the_list_of_those_that_are(name: str, what: str) -> None:
    [sentence] = broken(name)
    assert sentence == f"{what}; choose one of {', '.join(LUMI.partitions)}."


def test_memory_and_cores_of_a_stage_are_checked() -> None:
    [memory] = broken_limits(LUMI, Resources("standard", 1, 128, 60, 300_000))
    assert "standard has 224 GiB (229376 MB) of memory on a node, but mem_mb is 300000" in memory
    assert memory.endswith("or choose largemem.")
    [small] = broken_limits(LUMI, Resources("small", 1, 8, 60, 300_000))
    assert small.endswith("or choose largemem.")  # not the nodes with GPUs
    [cores] = broken_limits(LUMI, Resources("small", 1, 129, 60))
    assert "small has 128 cores on a node, but 129 are asked for" in cores


def test_a_cluster_that_describes_no_partitions_checks_and_charges_nothing() -> None:
    asked = training_request(GENERIC, "anything", 10_000, 64, 1e6)
    assert (asked.devices, asked.memory_mb, broken_limits(GENERIC, asked)) == (0, 0, [])
    assert billed_per_hour(GENERIC, asked) == watts(GENERIC, asked) == 0


def test_devices_and_memory_of_a_phase_may_be_told() -> None:
    told = training_request(GENERIC, "anything", 2, 4, 60, devices=4, memory_gib=100)
    assert (told.devices, told.memory_mb) == (4, 102_400)
    assert broken_limits(LUMI, training_request(LUMI, "small-g", 1, 4, 60, memory_gib=481))


@pytest.mark.parametrize(("partition", "memory_gib"), [("standard-g", 480), ("small-g", 120), ("small", 24)])
def test_untold_memory_is_all_of_a_whole_node_or_what_comes_with_devices_or_cores(
    partition: str, memory_gib: int
) -> None:
    assert training_request(LUMI, partition, 1, 2, 60).memory_mb == memory_gib * 1024


def test_power_is_of_whole_nodes_or_of_a_share_of_their_devices() -> None:
    assert watts(LUMI, training_request(LUMI, "standard-g", 2, 1, 60)) == 5000
    assert watts(LUMI, training_request(LUMI, "small-g", 2, 2, 60)) == 1250
