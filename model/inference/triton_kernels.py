"""Kernels of the Triton engine. States between them have clinical time first: (L, N, W), N rows of all branches.

W is twice the hidden size H, each half padded with zeros to a power of two P: the first half is what the layers read
forwards in time, the second what they read backwards. Padding stays zero throughout, since its weights and biases are.

Products have float16 operands and float32 sums; normalisation, gates and the state of the GRU are float32. With SPLIT
an operand is the sum of two float16 numbers, `high + low`, and so a weight has both; of the product all but `low low`
is computed, for nearly the error of float32. The recurrent product is plain in both cases: it adds less to the error.
"""

import triton
import triton.language as tl

EPSILON = tl.constexpr(1e-5)
"""Of torch's LayerNorm."""


@triton.jit
def _tanh(x):
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
def _normalised(h, is_padding, n_real):
    """LayerNorm without weights of the rows of h (M, W), over the columns that are no padding."""
    centred = tl.where(is_padding[None, :], 0.0, h - (tl.sum(h, 1) / n_real)[:, None])
    variance = tl.sum(centred * centred, 1) / n_real
    return centred * tl.rsqrt(variance + EPSILON)[:, None]


@triton.jit
def _low(x, high, SPLIT: tl.constexpr):
    """What x (float32) has beyond `high`, as float16; unused without SPLIT."""
    return (x - high.to(tl.float32)).to(tl.float16) if SPLIT else high


@triton.jit
def _product(high, low, w_high, w_low, SPLIT: tl.constexpr):
    """`(high + low) @ (w_high + w_low)` with SPLIT, else `high @ w_high`."""
    y = tl.dot(high, w_high)
    if SPLIT:
        y += tl.dot(low, w_high) + tl.dot(high, w_low)
    return y


@triton.jit
def enter(
    scaled,
    weight,
    rows,
    out,
    n_stays,
    length,
    n_state,
    n_branches,
    M: tl.constexpr,
    K: tl.constexpr,
    W: tl.constexpr,
    SPLIT: tl.constexpr,
):
    """First layer: scaled (B, L, D) float32 @ weight (2, D, W), high and low, + rows (R, B, W) -> out (L, R B, W).

    A program handles M stays at one step, and multiplies their state, in pieces of K, once for all branches.
    """
    stay = tl.program_id(0) * M + tl.arange(0, M)
    step = tl.program_id(1)
    column, is_stay = tl.arange(0, W), stay < n_stays
    first = (stay.to(tl.int64) * length + step) * n_state
    total = tl.zeros((M, W), dtype=tl.float32)
    for begin in range(0, n_state, K):
        coordinate = begin + tl.arange(0, K)
        is_state = coordinate < n_state
        x = tl.load(scaled + first[:, None] + coordinate[None, :], mask=is_stay[:, None] & is_state[None, :], other=0.0)
        at = weight + coordinate[:, None] * W + column[None, :]
        w = tl.load(at, mask=is_state[:, None], other=0.0)
        w_low = tl.load(at + n_state * W, mask=is_state[:, None], other=0.0) if SPLIT else w
        high = x.to(tl.float16)
        total += _product(high, _low(x, high, SPLIT), w, w_low, SPLIT)
    for branch in range(n_branches):
        row = (branch * n_stays + stay).to(tl.int64)
        added = tl.load(rows + row[:, None] * W + column[None, :], mask=is_stay[:, None], other=0.0)
        target = (tl.cast(step, tl.int64) * n_branches * n_stays + row) * W
        tl.store(
            out + target[:, None] + column[None, :], (total + added).to(out.dtype.element_ty), mask=is_stay[:, None]
        )


@triton.jit
def bidirectional_layer(
    h_in,
    out,
    w_x,
    w_h,
    biases,
    scale,
    shift,
    n_rows,
    length,
    n_hidden,
    M: tl.constexpr,
    P: tl.constexpr,
    SPLIT: tl.constexpr,
    STAY: tl.constexpr,
):
    """`h + BiGRU(scale LayerNorm(h) + shift)`: h_in, out (L, N, 2P); scale, shift (2P,) float32.

    By direction, then gate r, z, n: w_x (2, 3, 2, 2P, P), high and low, and w_h (2, 3, P, P) float16; biases
    (2, 4, P) float32, of which n has two. A program takes M rows through all steps in one direction. With STAY it
    keeps the weights on the chip; where they are too many, it reads them at every step.
    """
    row = tl.program_id(0) * M + tl.arange(0, M)
    direction = tl.program_id(1)
    is_row = row < n_rows
    unit, column = tl.arange(0, P), tl.arange(0, 2 * P)
    is_padding = (column % P) >= n_hidden
    part, gate = 2 * P * P, 4 * P * P
    x_at = w_x + direction * 3 * gate + column[:, None] * P + unit[None, :]
    h_at = w_h + direction * 3 * P * P + unit[:, None] * P + unit[None, :]
    bias_at = biases + direction * 4 * P + unit
    b_r, b_z = tl.load(bias_at), tl.load(bias_at + P)
    b_nx, b_nh = tl.load(bias_at + 2 * P), tl.load(bias_at + 3 * P)
    film_scale, film_shift = tl.load(scale + column), tl.load(shift + column)
    if STAY:
        r_high, z_high, n_high = tl.load(x_at), tl.load(x_at + gate), tl.load(x_at + 2 * gate)
        r_low = tl.load(x_at + part) if SPLIT else r_high
        z_low = tl.load(x_at + gate + part) if SPLIT else z_high
        n_low = tl.load(x_at + 2 * gate + part) if SPLIT else n_high
        h_r, h_z, h_n = tl.load(h_at), tl.load(h_at + P * P), tl.load(h_at + 2 * P * P)
    state = tl.zeros((M, P), dtype=tl.float32)
    for i in range(length):
        step = tl.where(direction == 0, i, length - 1 - i)
        first = (step.to(tl.int64) * n_rows + row) * (2 * P)
        h = tl.load(h_in + first[:, None] + column[None, :], mask=is_row[:, None], other=0.0).to(tl.float32)
        x = _normalised(h, is_padding, 2 * n_hidden) * film_scale[None, :] + film_shift[None, :]
        high = x.to(tl.float16)
        low, before = _low(x, high, SPLIT), state.to(tl.float16)
        if not STAY:
            r_high, h_r = tl.load(x_at), tl.load(h_at)
            r_low = tl.load(x_at + part) if SPLIT else r_high
        r = tl.sigmoid(_product(high, low, r_high, r_low, SPLIT) + tl.dot(before, h_r) + b_r[None, :])
        if not STAY:
            n_high, h_n = tl.load(x_at + 2 * gate), tl.load(h_at + 2 * P * P)
            n_low = tl.load(x_at + 2 * gate + part) if SPLIT else n_high
        from_x = _product(high, low, n_high, n_low, SPLIT) + b_nx[None, :]
        n = _tanh(from_x + r * (tl.dot(before, h_n) + b_nh[None, :]))
        if not STAY:
            z_high, h_z = tl.load(x_at + gate), tl.load(h_at + P * P)
            z_low = tl.load(x_at + gate + part) if SPLIT else z_high
        z = tl.sigmoid(_product(high, low, z_high, z_low, SPLIT) + tl.dot(before, h_z) + b_z[None, :])
        state = n + z * (state - n)
        own = first[:, None] + (direction * P + unit)[None, :]
        residual = tl.load(h_in + own, mask=is_row[:, None], other=0.0).to(tl.float32)
        tl.store(out + own, (residual + state).to(out.dtype.element_ty), mask=is_row[:, None])


@triton.jit
def leave(
    h_in,
    weight,
    bias,
    out,
    n_rows,
    length,
    n_hidden,
    n_out,
    M: tl.constexpr,
    P: tl.constexpr,
    O: tl.constexpr,  # noqa: E741
    SPLIT: tl.constexpr,
):
    """Last layer: LayerNorm(h_in (L, N, 2P)) @ weight (2, 2P, n_out), high and low, + bias -> out (N, L, n_out).

    A program handles M rows at one step, in pieces of O outputs.
    """
    row = tl.program_id(0) * M + tl.arange(0, M)
    step = tl.program_id(1)
    column, is_row = tl.arange(0, 2 * P), row < n_rows
    first = (tl.cast(step, tl.int64) * n_rows + row) * (2 * P)
    h = tl.load(h_in + first[:, None] + column[None, :], mask=is_row[:, None], other=0.0).to(tl.float32)
    x = _normalised(h, (column % P) >= n_hidden, 2 * n_hidden)
    high = x.to(tl.float16)
    low = _low(x, high, SPLIT)
    target = (row.to(tl.int64) * length + step) * n_out
    for begin in range(0, n_out, O):
        output = begin + tl.arange(0, O)
        is_output = output < n_out
        at = weight + column[:, None] * n_out + output[None, :]
        w = tl.load(at, mask=is_output[None, :], other=0.0)
        w_low = tl.load(at + 2 * P * n_out, mask=is_output[None, :], other=0.0) if SPLIT else w
        y = _product(high, low, w, w_low, SPLIT) + tl.load(bias + output, mask=is_output, other=0.0)[None, :]
        tl.store(out + target[:, None] + output[None, :], y, mask=is_row[:, None] & is_output[None, :])
