"""Kernels by their names, and the time that they share."""

from types import SimpleNamespace

import pytest
from torch._C._autograd import DeviceType

from benchmarks.kernels import IDLE, NAMES, REST, Work, group_of, profile_of, work_of


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize128x128x64_cublas", "matrix products"),
        ("nvjet_hsh_256x128_64x4_1x2_h_bz_coopA_TNT", "matrix products"),
        ("Cijk_Alik_Bljk_BBS_BH_MT256x128x32_MI32x32x8x1_SN", "matrix products"),
        ("aten::mm", "matrix products"),
        ("void flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<Flash_bwd_kernel_traits<64, 128>>", "attention"),
        ("fmha_cutlassB_bf16_aligned_64x64_k64_sm80", "attention"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu_backward", "attention"),
        ("ncclDevKernel_ReduceScatter_Sum_f32_RING_LL", "communication"),
        ("void at::native::multi_tensor_apply_kernel<TensorListMetadata<4>, FusedAdamMathFunctor<float>>", "optimizer"),
        ("void cunn_SoftMaxForward<4, c10::BFloat16, float, LogSoftMaxForwardEpilogue>", "loss"),
        ("Memcpy HtoD (Pinned -> Device)", "copies"),
        ("void at::native::unrolled_elementwise_kernel<at::native::direct_copy_kernel_cuda>", "copies"),
        ("void at::native::vectorized_elementwise_kernel<4, GeluCUDAKernelImpl>", REST),
        ("void at::native::vectorized_layer_norm_kernel<float, float>", REST),
    ],
)
def test_a_kernel_is_in_a_group_by_its_name(name, group):
    assert group_of(name) == group


def event(name, begin, end, kind=DeviceType.CUDA, own=0.0, annotated=False):
    return SimpleNamespace(
        name=name,
        device_type=kind,
        is_user_annotation=annotated,
        time_range=SimpleNamespace(start=begin, end=end),
        self_cpu_time_total=own,
    )


def test_time_on_a_gpu_that_two_streams_share_is_counted_once():
    events = [
        event("nccl", 5, 25),
        event("gemm", 0, 10),
        event("memcpy", 12, 20),
        event("a step", 0, 30, annotated=True),
        event("aten::mm", 0, 1, DeviceType.CPU, 1.0),
    ]
    assert work_of(events, on_gpu=True) == [Work("gemm", 10), Work("nccl", 15), Work("memcpy", 0)]


def test_time_on_a_cpu_is_that_of_an_operator_without_those_it_calls():
    events = [event("aten::linear", 0, 10, DeviceType.CPU, 2.0), event("aten::mm", 1, 9, DeviceType.CPU, 8.0)]
    assert work_of(events, on_gpu=False) == [Work("aten::linear", 2.0), Work("aten::mm", 8.0)]


def test_shares_sum_to_all_of_the_time_and_what_is_not_covered_is_idle():
    found = profile_of([Work("gemm", 30), Work("gelu", 10), Work("gemm", 20)], 100e-6)
    assert list(found.shares) == list(NAMES)
    assert found.shares["matrix products"] == pytest.approx(0.5)
    assert found.shares[IDLE] == pytest.approx(0.4)
    assert [name for _, name, _ in found.longest] == ["gemm", "gelu"]
    assert profile_of([Work("gemm", 30)], 20e-6).shares[IDLE] == pytest.approx(0)
