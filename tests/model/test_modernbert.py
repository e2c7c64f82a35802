"""The encoder against transformers' ModernBertForMaskedLM on the same weights, and what it promises besides."""

from itertools import accumulate

import pytest
import torch
from torch import Tensor
from transformers import ModernBertConfig, ModernBertForMaskedLM

from model.modernbert import ModernBert, Shape, rotations

PAD = 2
LENGTHS = [41, 1, 150, 7]
"""The longest is longer than the windows below, the shortest a single token."""


def shape_of(layers: int, hidden: int, heads: int, intermediate: int, padded_vocabulary: int = 96) -> Shape:
    return Shape(
        padded_vocabulary=padded_vocabulary,
        layers=layers,
        hidden=hidden,
        heads=heads,
        intermediate=intermediate,
        global_every=3,
        local_attention=128,
        global_rope_theta=1_000_000.0,
        local_rope_theta=20_000.0,
        norm_eps=1e-5,
    )


SHAPES = {
    "tiny": shape_of(6, 768, 12, 1152, 27_264 // 64),
    "base": shape_of(22, 768 // 4, 12 // 4, 1152 // 4, 42_240 // 64),
    "large": shape_of(28, 1024 // 4, 16 // 4, 2624 // 4, 55_616 // 64),
    "tiny-short": shape_of(6, 768, 12, 1152, 128_000 // 64),
    "base-short": shape_of(22, 768 // 4, 12 // 4, 1152 // 4, 128_000 // 64),
    "large-short": shape_of(28, 1024 // 4, 16 // 4, 2624 // 4, 128_000 // 64),
}
"""The recipe's, with a 64th of the padded vocabulary; the deep ones a quarter as wide, heads as wide as ever (64)."""
SMALL = shape_of(4, 32, 4, 48)


def twins(shape: Shape, seed: int = 0) -> tuple[ModernBert, ModernBertForMaskedLM]:
    ours = ModernBert(shape, seed)
    randomize(ours, seed)
    with torch.device("meta"):
        theirs = ModernBertForMaskedLM(config_of(shape))
    theirs.to_empty(device="cpu")
    theirs.model.rotary_emb = type(theirs.model.rotary_emb)(theirs.config)
    missing = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert missing.missing_keys == ["decoder.weight"]
    assert not missing.unexpected_keys
    theirs.tie_weights()
    return ours, theirs.train()


def randomize(model: ModernBert, seed: int) -> None:
    """Move norms and biases too away from where an encoder begins, and make attention prefer some keys to others."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(model.shape.hidden**-0.5 * torch.randn(parameter.shape, generator=generator))


def config_of(shape: Shape) -> ModernBertConfig:
    return ModernBertConfig(
        vocab_size=shape.padded_vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        norm_eps=shape.norm_eps,
        local_attention=shape.local_attention,
        global_attn_every_n_layers=shape.global_every,
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": shape.global_rope_theta},
            "sliding_attention": {"rope_type": "default", "rope_theta": shape.local_rope_theta},
        },
        pad_token_id=PAD,
        bos_token_id=1,
        cls_token_id=1,
        eos_token_id=4,
        sep_token_id=4,
    )


def packed(padded_vocabulary: int, lengths: list[int], seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(5, padded_vocabulary, (sum(lengths),), generator=generator)
    return tokens, torch.tensor(list(accumulate(lengths, initial=0)), dtype=torch.int32)


def padded_logits(theirs: ModernBertForMaskedLM, tokens: Tensor, lengths: list[int]) -> Tensor:
    rows = tokens.split(lengths)
    ids = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=PAD)
    real = torch.arange(ids.shape[1]) < torch.tensor(lengths)[:, None]
    return theirs(input_ids=ids, attention_mask=real.long()).logits[real]


def packed_logits(theirs: ModernBertForMaskedLM, tokens: Tensor, lengths: list[int]) -> Tensor:
    piece = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    place = torch.arange(len(tokens))
    same = piece[:, None] == piece
    near = (place[:, None] - place).abs() <= theirs.config.local_attention // 2
    masks = {"full_attention": same[None, None], "sliding_attention": (same & near)[None, None]}
    positions = torch.cat([torch.arange(length) for length in lengths])
    return theirs(input_ids=tokens[None], attention_mask=masks, position_ids=positions[None]).logits[0]


def loss_and_gradients(module: torch.nn.Module, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    module.zero_grad()
    torch.nn.functional.cross_entropy(logits, labels).backward()
    return {name: parameter.grad for name, parameter in module.named_parameters()}


@pytest.mark.parametrize("name", SHAPES)
def test_logits_and_gradients_equal_those_of_transformers(name: str) -> None:
    shape = SHAPES[name]
    ours, theirs = twins(shape)
    tokens, cu_seqlens = packed(shape.padded_vocabulary, LENGTHS)
    labels = packed(shape.padded_vocabulary, LENGTHS, seed=2)[0]
    logits = ours(tokens, ours.lay_out(cu_seqlens))
    gradients = loss_and_gradients(ours, logits, labels)
    for their_logits in (padded_logits, packed_logits):
        reference = their_logits(theirs, tokens, LENGTHS)
        torch.testing.assert_close(logits, reference, atol=1e-4, rtol=0)
        expected = loss_and_gradients(theirs, reference, labels)
        assert expected.keys() == gradients.keys()
        for parameter, gradient in expected.items():
            assert (gradients[parameter] - gradient).norm() <= 1e-3 * gradient.norm(), parameter


def test_only_the_positions_asked_for_reach_the_head() -> None:
    model = ModernBert(SMALL, seed=0)
    tokens, cu_seqlens = packed(SMALL.padded_vocabulary, LENGTHS)
    masked = torch.tensor([0, 41, 100, 198])
    torch.testing.assert_close(
        model(tokens, model.lay_out(cu_seqlens), masked), model(tokens, model.lay_out(cu_seqlens))[masked]
    )


def test_a_piece_does_not_see_its_neighbours_in_the_row() -> None:
    model = ModernBert(SMALL, seed=0)
    tokens, cu_seqlens = packed(SMALL.padded_vocabulary, LENGTHS)
    changed = tokens.clone()
    changed[42:192] = torch.randint(5, SMALL.padded_vocabulary, (150,), generator=torch.Generator().manual_seed(9))
    outside = torch.cat((torch.arange(42), torch.arange(192, 199)))
    torch.testing.assert_close(
        model(tokens, model.lay_out(cu_seqlens))[outside],
        model(changed, model.lay_out(cu_seqlens))[outside],
        atol=1e-6,
        rtol=0,
    )


def test_the_global_theta_changes_logits_but_no_parameter() -> None:
    model = ModernBert(SMALL, seed=0)
    randomize(model, seed=0)
    tokens, cu_seqlens = packed(SMALL.padded_vocabulary, LENGTHS)
    before, weights = model(tokens, model.lay_out(cu_seqlens)), {k: v.clone() for k, v in model.state_dict().items()}
    model.set_global_rope_theta(10_000.0)
    assert (model(tokens, model.lay_out(cu_seqlens)) - before).abs().max() > 1e-4
    torch.testing.assert_close(model.state_dict(), weights, atol=0, rtol=0)
    model.set_global_rope_theta(SMALL.global_rope_theta)
    torch.testing.assert_close(model(tokens, model.lay_out(cu_seqlens)), before, atol=0, rtol=0)


def test_initial_weights_depend_on_the_seed_alone() -> None:
    shape = shape_of(2, 256, 4, 384, padded_vocabulary=4096)
    torch.manual_seed(1)
    threads = torch.get_num_threads()
    first = ModernBert(shape, seed=7).state_dict()
    after_first = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), after_first), "making an encoder drew from the global generator"
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        again = ModernBert(shape, seed=7).state_dict()
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = ModernBert(shape, seed=8).state_dict()
    assert not torch.equal(first["model.layers.0.attn.Wqkv.weight"], other["model.layers.0.attn.Wqkv.weight"])


def test_initial_weights_are_distributed_as_those_of_transformers() -> None:
    shape = shape_of(6, 128, 4, 192, padded_vocabulary=512)
    theirs = ModernBertForMaskedLM(config_of(shape)).state_dict()
    for name, weight in ModernBert(shape, seed=3).state_dict().items():
        std, reference = weight.std().item(), theirs[name].std().item()
        assert std == pytest.approx(reference, rel=0.05), name
        assert weight.abs().max().item() == pytest.approx(theirs[name].abs().max().item(), rel=0.01), name


def test_autocast_to_bfloat16_stays_close_and_keeps_rotations_in_float32() -> None:
    model = ModernBert(SMALL, seed=0)
    tokens, cu_seqlens = packed(SMALL.padded_vocabulary, LENGTHS)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(tokens, model.lay_out(cu_seqlens))
        cos, sin = rotations(torch.tensor([8191]), 8, 1_000_000.0)
    assert cos.dtype == sin.dtype == torch.float32
    torch.testing.assert_close(logits.float(), model(tokens, model.lay_out(cu_seqlens)), atol=5e-2, rtol=0)


def test_cu_seqlens_that_do_not_fit_the_tokens_are_refused() -> None:
    model = ModernBert(SMALL, seed=0)
    with pytest.raises(ValueError, match="cu_seqlens ends at 9, but there are 10 tokens"):
        model(torch.full((10,), 7), model.lay_out([0, 9]))


def test_heads_that_do_not_divide_hidden_are_refused() -> None:
    with pytest.raises(ValueError, match="hidden"):
        shape_of(2, 30, 4, 48)
