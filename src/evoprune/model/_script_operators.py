"""Operators that a TorchScript file may have: they compute with tensors and touch nothing else.

Others exist that read and write files (`aten::from_file`, `aten::save`) or print.
"""

from __future__ import annotations

_PLUMBING = frozenset(
    f"prim::{name}"
    for name in (
        "Constant",
        "GetAttr",
        # torch puts choices of its own around divisions when it loads them.
        "If",
        "ListConstruct",
        "ListUnpack",
        "NumToTensor",
        "TupleConstruct",
        "TupleUnpack",
    )
)

_OPERATORS = frozenset(
    f"aten::{name.rstrip('_')}"
    for name in """
    _convolution abs adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d add addcmul addmm alias argmax
    avg_pool2d baddbmm batch_norm bmm cat channel_shuffle chunk clamp clamp_max clamp_min clone constant_pad_nd
    contiguous conv1d conv2d cumsum detach div dropout elu eq erf exp expand expand_as flatten floor floor_divide full
    gather ge gelu glu group_norm gt hardsigmoid hardswish hardtanh index index_select instance_norm Int
    is_floating_point layer_norm le leaky_relu linalg_vector_norm linear log log_softmax lt matmul max max_pool2d
    maximum mean min minimum mish mm mul ne neg norm ones ones_like pad permute pixel_unshuffle pow reciprocal
    reflection_pad2d relu relu6 repeat reshape roll rsqrt rsub ScalarImplicit scaled_dot_product_attention select selu
    sigmoid silu size slice softmax softplus split split_with_sizes sqrt squeeze stack std sub sum swish t tanh tile
    to topk transpose type_as unbind unflatten unfold unsqueeze upsample_bicubic2d upsample_bilinear2d
    upsample_nearest2d var view where zeros zeros_like
    """.split()  # noqa: SIM905 (one name a line would be a page of names)
)


def is_plain_operator(kind: str) -> bool:
    """Whether a node of this kind computes with tensors alone; one that works in place counts as the plain one."""
    return kind in _PLUMBING or kind.rstrip("_") in _OPERATORS
