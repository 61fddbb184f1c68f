// The trained network on a CPU: all layers, clinical steps and branches of the guidance for one block of stays at a time.
//
// A stay is a lane of a vector. LayerNorm, FiLM and the gates are then vertical arithmetic, a matrix product multiplies
// one weight with all stays of the block, and what is computed for a stay depends on no other stay. State, gates and sums
// are float32. scripts/build_engine.sh compiles this once per instruction set.

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AMX_BF16__) || defined(EMULATE_AMX)
#define AMX 1
#define LANES 16
#define VECTORS 2  // a block's rows of vectors: two tiles
#elif defined(__AVX512F__)
#define LANES 16
#define VECTORS 3  // with ROWS, as many sums as fit into the registers
#define ROWS 8
#elif defined(__AVX__)
#define LANES 8
#define VECTORS 3
#define ROWS 4
#else  // SSE2, NEON: wider vectors would go through the memory
#define LANES 4
#define VECTORS 3
#define ROWS 4
#endif
#define BLOCK (LANES * VECTORS)  // stays

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));
typedef uint32_t uvec __attribute__((vector_size(4 * LANES)));

// Written by model/inference/fused.py. H is the hidden width of a direction; "packed" is what multiply() wants.
struct Network {
    int64_t hidden, layers, state, labels, outputs;
    const float *inputs;          // packed (2H, state)
    const float *label_inputs;    // (labels, 2H)
    const float *step_products;   // for each layer and direction packed (3H, 2H): of the layer's input
    const float *state_products;  // for each layer and direction packed (3H, H): of the GRU's state
    const float *gate_bias;       // (layers, 2, 4, H): r, z, n of the input, n of the state
    const float *output;          // packed (outputs, 2H)
    const float *output_bias;     // (outputs)
};

static inline vec splat(float x) { return (vec){} + x; }

static inline int64_t rounded(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// e^x for x within [-40, 40], beyond that of the bound: 2^round(x / ln 2) times a Taylor polynomial of what is left.
static inline vec exponential(vec x) {
    x = x < splat(-40.0f) ? splat(-40.0f) : x;
    x = x > splat(40.0f) ? splat(40.0f) : x;
    const vec magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number, in the lowest bits
    const vec shifted = x * 1.44269504f + magic;
    const vec whole = shifted - magic;
    const vec f = x - whole * 0.693145752f - whole * 1.42860677e-6f;
    vec p = splat(1.0f / 720);
    p = p * f + (1.0f / 120);
    p = p * f + (1.0f / 24);
    p = p * f + (1.0f / 6);
    p = p * f + 0.5f;
    p = p * f + 1.0f;
    p = p * f + 1.0f;
    return (vec)((ivec)p + ((ivec)shifted << 23));
}

// An operand is the right factor of a product, (k, BLOCK): `put` each row, then `finish`.
#ifdef AMX
#include "amx.h"
#else
typedef vec Operand;

static inline int64_t operand_rows(int64_t k) { return k; }
static inline int64_t product_rows(int64_t n) { return rounded(n, ROWS); }
static inline int64_t weights_size(int64_t n, int64_t k) { return product_rows(n) * k; }

static inline int begin_products(void) { return 0; }
static inline void end_products(void) {}

static inline void put(Operand *operand, int64_t k, int v, vec x) { operand[k * VECTORS + v] = x; }
static inline void finish(Operand *, int64_t) {}

static inline vec reciprocal(vec x) { return 1.0f / x; }

// out (n, BLOCK) = weights (n, k) operand (k, BLOCK); weights lie as (n / ROWS, k, ROWS).
static void multiply(const float *weights, const Operand *operand, vec *out, int64_t n, int64_t k) {
    for (int64_t row = 0; row < n; row += ROWS) {
        vec sum[ROWS][VECTORS] = {};
        const vec *x = operand;
        for (int64_t i = 0; i < k; i++, x += VECTORS, weights += ROWS) {
#pragma GCC unroll 8
            for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 8
                for (int v = 0; v < VECTORS; v++) sum[r][v] += weights[r] * x[v];
        }
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 8
            for (int v = 0; v < VECTORS; v++) out[(row + r) * VECTORS + v] = sum[r][v];
    }
}
#endif

struct Scratch {
    vec *base;           // (length, 2H): the input projection, before labels
    vec *h;              // (length, 2H): the residual stream of a branch
    vec *state;          // (H): of the GRU
    vec *x_products;     // (3H)
    vec *state_products; // (3H)
    vec *products;       // (2H) or (outputs)
    Operand *steps;      // for each step (2H): what a layer's GRU sees
    Operand *recurrent;  // (H): the GRU's state
    Operand *input;      // (state)
};

// (rows, BLOCK) zeros; null without memory.
static vec *zeros(int64_t rows) {
    void *found = NULL;
    const size_t bytes = sizeof(vec) * VECTORS * rows;
    return posix_memalign(&found, 64, bytes) ? NULL : (vec *)memset(found, 0, bytes);
}

static int allocate(Scratch *s, const Network *net, int64_t length) {
    const int64_t H = net->hidden, widest = net->outputs > 2 * H ? net->outputs : 2 * H;
    s->base = zeros(length * 2 * H);
    s->h = zeros(length * 2 * H);
    s->state = zeros(H);
    s->x_products = zeros(product_rows(3 * H));
    s->state_products = zeros(product_rows(3 * H));
    s->products = zeros(product_rows(widest));
    s->steps = (Operand *)zeros(length * operand_rows(2 * H));
    s->recurrent = (Operand *)zeros(operand_rows(H));
    s->input = (Operand *)zeros(operand_rows(net->state));
    return s->base && s->h && s->state && s->x_products && s->state_products && s->products && s->steps &&
           s->recurrent && s->input;
}

static void release(Scratch *s) {
    free(s->base), free(s->h), free(s->state), free(s->x_products), free(s->state_products), free(s->products);
    free(s->steps), free(s->recurrent), free(s->input);
}

// operand <- scale * (h - mean) / std + shift, over the features of h (width, BLOCK); without scale and shift where null.
static void normalise(const vec *h, Operand *operand, int64_t width, const float *scale, const float *shift) {
    vec mean[VECTORS] = {}, variance[VECTORS] = {}, inverse[VECTORS];
    for (int64_t j = 0; j < width; j++)
        for (int v = 0; v < VECTORS; v++) mean[v] += h[j * VECTORS + v];
    for (int v = 0; v < VECTORS; v++) mean[v] /= (float)width;
    for (int64_t j = 0; j < width; j++)
        for (int v = 0; v < VECTORS; v++) {
            const vec centred = h[j * VECTORS + v] - mean[v];
            variance[v] += centred * centred;
        }
    for (int v = 0; v < VECTORS; v++)
        for (int i = 0; i < LANES; i++) inverse[v][i] = 1.0f / sqrtf(variance[v][i] / (float)width + 1e-5f);
    for (int64_t j = 0; j < width; j++)
        for (int v = 0; v < VECTORS; v++) {
            const vec x = (h[j * VECTORS + v] - mean[v]) * inverse[v];
            put(operand, j, v, scale ? x * scale[j] + shift[j] : x);
        }
    finish(operand, width);
}

// state <- (1 - z) n + z state, with r, z = sigmoid(x + y), n = tanh(x + r y); added to h (H, BLOCK), too.
static void gates(const Scratch *s, const float *bias, vec *h, int64_t H) {
    const vec *x = s->x_products, *y = s->state_products;
    for (int64_t j = 0; j < H; j++)
        for (int v = 0; v < VECTORS; v++) {
            const int64_t r = j * VECTORS + v, z = r + H * VECTORS, n = z + H * VECTORS;
            const vec reset = reciprocal(1.0f + exponential(-(x[r] + y[r] + bias[j])));
            const vec a = exponential(-(x[z] + y[z] + bias[H + j]));  // z = 1 / (1 + a)
            const vec inner = x[n] + bias[2 * H + j] + reset * (y[n] + bias[3 * H + j]);
            const vec b = exponential(-2.0f * inner);  // n = (1 - b) / (1 + b)
            const vec next = (a * (1.0f - b) + s->state[r] * (1.0f + b)) * reciprocal((1.0f + a) * (1.0f + b));
            s->state[r] = next;
            h[r] += next;
            put(s->recurrent, j, v, next);
        }
    finish(s->recurrent, H);
}

// h <- h + the GRU's states of one direction; a place is a layer and a direction.
static void direction(const Network *net, const Scratch *s, int64_t length, int64_t place) {
    const int64_t H = net->hidden, backwards = place % 2;
    const float *of_input = net->step_products + place * weights_size(3 * H, 2 * H);
    const float *of_state = net->state_products + place * weights_size(3 * H, H);
    memset(s->state, 0, sizeof(vec) * VECTORS * H);
    memset(s->recurrent, 0, sizeof(vec) * VECTORS * operand_rows(H));
    for (int64_t i = 0; i < length; i++) {
        const int64_t step = backwards ? length - 1 - i : i;
        multiply(of_input, s->steps + step * operand_rows(2 * H) * VECTORS, s->x_products, 3 * H, 2 * H);
        multiply(of_state, s->recurrent, s->state_products, 3 * H, H);
        gates(s, net->gate_bias + place * 4 * H, s->h + (step * 2 + backwards) * H * VECTORS, H);
    }
}

// base <- the input projection of n stays, whose states (length, D) begin at `scaled`.
static void project(const Network *net, const Scratch *s, const float *scaled, const float *shift, int64_t length,
                    int64_t n) {
    const int64_t width = 2 * net->hidden, D = net->state;
    float column[BLOCK] __attribute__((aligned(64))) = {};
    for (int64_t step = 0; step < length; step++) {
        for (int64_t j = 0; j < D; j++) {
            for (int64_t i = 0; i < n; i++) column[i] = scaled[(i * length + step) * D + j];
            for (int v = 0; v < VECTORS; v++) put(s->input, j, v, ((const vec *)column)[v]);
        }
        finish(s->input, D);
        multiply(net->inputs, s->input, s->products, width, D);
        for (int64_t j = 0; j < width; j++)
            for (int v = 0; v < VECTORS; v++)
                s->base[(step * width + j) * VECTORS + v] = s->products[j * VECTORS + v] + shift[j];
    }
}

// h <- base + what the labels (n, labels) of a branch add to the input projection, the same in all steps.
static void add_labels(const Network *net, const Scratch *s, const float *labels, int64_t length, int64_t n) {
    const int64_t width = 2 * net->hidden;
    for (int64_t j = 0; j < width; j++) {
        float added[BLOCK] __attribute__((aligned(64))) = {};
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < net->labels; k++)
                added[i] += labels[i * net->labels + k] * net->label_inputs[k * width + j];
        for (int64_t step = 0; step < length; step++)
            for (int v = 0; v < VECTORS; v++) {
                const int64_t place = (step * width + j) * VECTORS + v;
                s->h[place] = s->base[place] + ((const vec *)added)[v];
            }
    }
}

// The outputs (n, length, outputs) of a branch, from h.
static void read_out(const Network *net, const Scratch *s, float *out, int64_t length, int64_t n) {
    const int64_t width = 2 * net->hidden, O = net->outputs;
    for (int64_t step = 0; step < length; step++) {
        normalise(s->h + step * width * VECTORS, s->steps, width, NULL, NULL);
        multiply(net->output, s->steps, s->products, O, width);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < O; j++)
                out[(i * length + step) * O + j] = ((const float *)s->products)[j * BLOCK + i] + net->output_bias[j];
    }
}

extern "C" {

int64_t block_size(void) { return BLOCK; }

// Outputs (branches, stays, length, outputs) for the blocks of stays first .. last - 1 of scaled (stays, length, state),
// labels (branches, stays, labels). The diffusion time is in shift (2H), the input projection's bias, and film (layers, 2,
// 2H), scale and shift of each layer's LayerNorm. Returns 0; 1 without memory, 2 without leave to use the processor's tiles.
int evaluate(const Network *net, const float *scaled, const float *labels, const float *shift, const float *film,
             float *out, int64_t branches, int64_t stays, int64_t length, int64_t first, int64_t last) {
    const int64_t width = 2 * net->hidden;
    if (begin_products()) return 2;
    Scratch s;
    const int allocated = allocate(&s, net, length);
    for (int64_t block = first; allocated && block < last; block++) {
        const int64_t begin = block * BLOCK, n = stays - begin < BLOCK ? stays - begin : BLOCK;
        project(net, &s, scaled + begin * length * net->state, shift, length, n);
        for (int64_t branch = 0; branch < branches; branch++) {
            add_labels(net, &s, labels + (branch * stays + begin) * net->labels, length, n);
            for (int64_t layer = 0; layer < net->layers; layer++) {
                const float *scale = film + layer * 2 * width;
                for (int64_t step = 0; step < length; step++)
                    normalise(s.h + step * width * VECTORS, s.steps + step * operand_rows(width) * VECTORS, width, scale,
                              scale + width);
                direction(net, &s, length, 2 * layer);
                direction(net, &s, length, 2 * layer + 1);
            }
            read_out(net, &s, out + (branch * stays + begin) * length * net->outputs, length, n);
        }
    }
    release(&s);
    end_products();
    return allocated ? 0 : 1;
}
}
