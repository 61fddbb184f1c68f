// The gates of a GRU in training, and their gradients, for one clinical step of both directions. In torch they are a dozen
// operations forward and as many backward, which take three times as long as the products between them.
//
// What goes into products and what is kept for the way back is bfloat16, the state and all arithmetic float32. `stride` is
// the distance between the two directions. scripts/build_engine.sh compiles this once per instruction set.

#include <stdint.h>
#include <string.h>

static inline float widened(uint16_t x) {
    const uint32_t bits = (uint32_t)x << 16;
    float y;
    memcpy(&y, &bits, 4);
    return y;
}

static inline uint16_t rounded(float x) {  // to the nearest, ties to even
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// 1 / (1 + e^-x): e^y is 2^round(y / ln 2) times a Taylor polynomial of what is left. NaN stays NaN.
static inline float sigmoid(float x) {
    float y = -x;
    y = y < -80.0f ? -80.0f : y;
    y = y > 80.0f ? 80.0f : y;
    const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number, in the lowest bits
    const float shifted = y * 1.44269504f + magic;
    const float whole = shifted - magic;
    const float f = y - whole * 0.693145752f - whole * 1.42860677e-6f;
    float p = 1.0f / 720;
    p = p * f + 1.0f / 120;
    p = p * f + 1.0f / 24;
    p = p * f + 1.0f / 6;
    p = p * f + 0.5f;
    p = p * f + 1.0f;
    p = p * f + 1.0f;
    uint32_t bits, exponent;
    memcpy(&bits, &p, 4);
    memcpy(&exponent, &shifted, 4);
    bits += exponent << 23;
    memcpy(&p, &bits, 4);
    return x != x ? x : 1.0f / (1.0f + p);
}

static inline void forward_row(int64_t H, const uint16_t *__restrict x, const uint16_t *__restrict y,
                               const float *__restrict b, float *__restrict h, uint16_t *__restrict o,
                               uint16_t *__restrict s, uint16_t *__restrict k) {
    for (int64_t j = 0; j < H; j++) {
        const float r = sigmoid(widened(x[H + j]) + widened(y[j]) + b[2 * H + j]);
        const float z = sigmoid(widened(x[2 * H + j]) + widened(y[H + j]) + b[3 * H + j]);
        const float v = widened(y[2 * H + j]) + b[H + j];
        const float n = 2.0f * sigmoid(2.0f * (widened(x[j]) + b[j] + r * v)) - 1.0f;
        const float next = n + z * (h[j] - n);
        h[j] = next;
        o[j] = s[j] = rounded(next);
        k[j] = rounded(n), k[H + j] = rounded(v), k[2 * H + j] = rounded(r), k[3 * H + j] = rounded(z);
    }
}

static inline void backward_row(int64_t H, const float *__restrict g, const uint16_t *__restrict p,
                                float *__restrict c, const uint16_t *__restrict k, const uint16_t *__restrict s,
                                uint16_t *__restrict o, uint16_t *__restrict dx, uint16_t *__restrict dw) {
    for (int64_t j = 0; j < H; j++) {
        const float n = widened(k[j]), v = widened(k[H + j]), r = widened(k[2 * H + j]), z = widened(k[3 * H + j]);
        const float dh = g[j] + widened(p[j]) + c[j];
        const float dn = dh * (1.0f - z) * (1.0f - n * n), dz = dh * (widened(s[j]) - n) * z * (1.0f - z);
        const float dr = dn * v * r * (1.0f - r);
        c[j] = dh * z;
        dx[j] = rounded(dn);
        dx[H + j] = o[j] = dw[j] = rounded(dr);
        dx[2 * H + j] = o[H + j] = dw[H + j] = rounded(dz);
        o[2 * H + j] = dw[2 * H + j] = rounded(dn * r);
    }
}

// from_x (2, B, 3H) of n, r, z; from_h dense (2, B, 3H) of r, z, v; bias (2, 4H) of n, v, r, z; state (2, B, H), changed.
// -> the new state once more in bfloat16, dense and in `states` (2, B, H), and the gates n, v, r, z in `kept` (2, B, 4H).
extern "C" void forward_gates(int64_t n_stays, int64_t H, const uint16_t *from_x, int64_t x_stride,
                              const uint16_t *from_h, const float *bias, float *state, uint16_t *operand,
                              uint16_t *states, int64_t states_stride, uint16_t *kept, int64_t kept_stride) {
    for (int64_t d = 0; d < 2; d++)
        for (int64_t i = 0, row = d * n_stays; i < n_stays; i++, row++)
            forward_row(H, from_x + d * x_stride + i * 3 * H, from_h + row * 3 * H, bias + d * 4 * H, state + row * H,
                        operand + row * H, states + d * states_stride + i * H, kept + d * kept_stride + i * 4 * H);
}

// grad (2, B, H) of the states after this step; from_next dense (2, B, H) is what the step after it hands back by its
// product, held (2, B, H) what it hands back by z, replaced here; kept as above, before (2, B, H) the states before.
// -> gradients of W x of n, r, z in on_x (2, B, 3H), and of W h of r, z, v, dense and in on_h (2, B, 3H).
extern "C" void backward_gates(int64_t n_stays, int64_t H, const float *grad, int64_t grad_stride,
                               const uint16_t *from_next, float *held, const uint16_t *kept, int64_t kept_stride,
                               const uint16_t *before, int64_t states_stride, uint16_t *operand, uint16_t *on_x,
                               uint16_t *on_h, int64_t on_stride) {
    for (int64_t d = 0; d < 2; d++)
        for (int64_t i = 0, row = d * n_stays; i < n_stays; i++, row++)
            backward_row(H, grad + d * grad_stride + i * H, from_next + row * H, held + row * H,
                         kept + d * kept_stride + i * 4 * H, before + d * states_stride + i * H, operand + row * 3 * H,
                         on_x + d * on_stride + i * 3 * H, on_h + d * on_stride + i * 3 * H);
}
