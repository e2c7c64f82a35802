"""What devices pass on and how long that takes, against figures made by hand."""

import pytest

from benchmarks.network import LUMI, Network, passed_on, step_on


def test_a_device_passes_on_all_but_its_own_part():
    assert passed_on(800, 1) == 0
    assert passed_on(800, 2) == 400
    assert passed_on(800, 8) == 700


def test_the_narrower_of_what_bytes_pass_through_decides():
    network = Network(4, inside_bytes_per_second=100.0, node_bytes_per_second=50.0, reached=0.5, round_seconds=1.0)
    assert network.gathering_seconds(100.0, 1) == network.reducing_seconds(100.0, 1) == 0
    assert network.gathering_seconds(100.0, 4) == pytest.approx(75 / 50 + 3)
    assert network.gathering_seconds(100.0, 8) == pytest.approx(87.5 / 25 + 7)
    assert network.reducing_seconds(100.0, 8) == pytest.approx(2 * 87.5 / 25 + 6)


def test_a_step_of_many_devices_is_less_to_compute_and_as_much_to_reduce():
    few, many = (step_on(LUMI, gcds, 400_000_000, 50_000_000, (3_000_000, 8192), 14_000.0) for gcds in (64, 512))
    assert few.compute == pytest.approx(3_000_000 / 64 / 14_000)
    assert few.gathering == pytest.approx(1.6e9 * 63 / 64 / 50e9 + 63 * 10e-6)
    assert few.reducing == pytest.approx(2 * (1.6e9 * 63 / 64 / 50e9 + 8 * 6 * 10e-6))
    assert many.compute == pytest.approx(few.compute / 8)
    assert many.reducing > few.reducing
    assert 0 < few.share < many.share < 1


def test_reducing_hides_behind_the_backward_pass_of_the_last_micro_batch_and_no_more():
    network = Network(1, inside_bytes_per_second=1.0, node_bytes_per_second=8.0, reached=1.0, round_seconds=0.0)
    step = step_on(network, 2, 8, 8, (12, 3), 3.0)
    assert (step.compute, step.reducing, step.gathering) == (2.0, 2 * 16 / 1, 16.0)
    assert step.hidden == pytest.approx(2 / 3)
    quick = step_on(network, 2, 8, 8, (1200, 300), 3.0)
    assert quick.hidden == quick.reducing
    assert quick.seconds == quick.compute + quick.gathering
