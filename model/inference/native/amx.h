// Products on AMX tiles, for fused.cpp. The 8 bits of bfloat16 are too few (docs/speed.md): each factor is the sum of two
// bfloat16 numbers, and three of the four products count. The error is 2^-16 of each factor.

#ifdef EMULATE_AMX
// Tiles as plain arrays, to test the packing and the order of the products where there is no AMX.
struct Tile {
    float sum[16][16];
    uint32_t bits[16][16];
};
static Tile tiles[8];

static void tile_zero(int t) { memset(&tiles[t], 0, sizeof(Tile)); }
static void tile_load(int t, const void *from, int64_t stride) {
    for (int r = 0; r < 16; r++) memcpy(tiles[t].bits[r], (const char *)from + r * stride, 64);
}
static void tile_store(int t, void *to, int64_t stride) {
    for (int r = 0; r < 16; r++) memcpy((char *)to + r * stride, tiles[t].sum[r], 64);
}
static float half(uint32_t pair, int which) {
    uint32_t bits = which ? pair & 0xffff0000u : pair << 16;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
static void tile_multiply(int c, int a, int b) {
    for (int r = 0; r < 16; r++)
        for (int k = 0; k < 16; k++)
            for (int l = 0; l < 16; l++)
                for (int which = 0; which < 2; which++)
                    tiles[c].sum[r][l] += half(tiles[a].bits[r][k], which) * half(tiles[b].bits[k][l], which);
}
static inline int begin_products(void) { return 0; }
static inline void end_products(void) {}
static inline vec reciprocal(vec x) { return 1.0f / x; }
#else
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define tile_zero _tile_zero
#define tile_load _tile_loadd
#define tile_store _tile_stored
#define tile_multiply _tile_dpbf16ps

// Linux gives the registers to a process that asks (ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA).
static inline int begin_products(void) {
    if (syscall(SYS_arch_prctl, 0x1023, 18)) return 1;
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config __attribute__((aligned(64))) = {1, 0, {}, {}, {}};
    for (int t = 0; t < 8; t++) config.bytes[t] = 64, config.rows[t] = 16;
    asm volatile("" : : "r"(&config) : "memory");  // gcc thinks that only 8 bytes of it are read
    _tile_loadconfig(&config);
    return 0;
}
static inline void end_products(void) { _tile_release(); }

// 14 bits and a step of Newton's: beside products this fast, a division would take as long as they do.
static inline vec reciprocal(vec x) {
    const vec about = (vec)_mm512_rcp14_ps((__m512)x);
    return about * (2.0f - x * about);
}
#endif

// Rows k and k + 1 of an operand side by side, in pairs of 16 bits: first the high parts, then the low ones.
typedef uvec Operand;

static inline int64_t operand_rows(int64_t k) { return rounded(k, 32); }
static inline int64_t product_rows(int64_t n) { return rounded(n, 32); }
static inline int64_t weights_size(int64_t n, int64_t k) { return product_rows(n) * rounded(k, 32); }

static inline void put(Operand *operand, int64_t k, int v, vec x) { operand[k * VECTORS + v] = (uvec)x; }

static inline void finish(Operand *operand, int64_t k) {
    for (int64_t i = 0; i < k; i += 2)
        for (int v = 0; v < VECTORS; v++) {
            Operand *even = operand + i * VECTORS + v, *odd = even + VECTORS;
            const vec x = (vec)*even, y = i + 1 < k ? (vec)*odd : splat(0.0f);
            const uvec high_x = (uvec)x & 0xffff0000u, high_y = (uvec)y & 0xffff0000u;
            const uvec low_x = (uvec)(x - (vec)high_x) + 0x8000u, low_y = (uvec)(y - (vec)high_y) + 0x8000u;
            *even = high_y | high_x >> 16;
            *odd = (low_y & 0xffff0000u) | low_x >> 16;
        }
}

// out (n, BLOCK) = weights (n, k) operand (k, BLOCK); weights lie as (n / 16, k / 32, high and low, 16, 32). Two tiles of
// rows by two of stays at a time: high x high, low x high, high x low.
static void multiply(const float *weights, const Operand *operand, vec *out, int64_t n, int64_t k) {
    const int64_t tiles_k = rounded(k, 32) / 32, tile = 256, row = 64 * VECTORS, pair = 2 * row;
    asm volatile("" ::: "memory");  // gcc does not know that a tile is loaded from memory
    for (int64_t i = 0; i < n; i += 32) {
        const float *upper = weights + i / 16 * tiles_k * 2 * tile, *lower = upper + tiles_k * 2 * tile;
        tile_zero(0); tile_zero(1); tile_zero(2); tile_zero(3);
        for (int64_t t = 0; t < tiles_k; t++, upper += 2 * tile, lower += 2 * tile) {
            const char *x = (const char *)(operand + t * 32 * VECTORS);
            tile_load(4, upper, 64); tile_load(5, lower, 64);
            tile_load(6, x, pair); tile_load(7, x + 64, pair);
            tile_multiply(0, 4, 6); tile_multiply(1, 4, 7); tile_multiply(2, 5, 6); tile_multiply(3, 5, 7);
            tile_load(4, upper + tile, 64); tile_load(5, lower + tile, 64);
            tile_multiply(0, 4, 6); tile_multiply(1, 4, 7); tile_multiply(2, 5, 6); tile_multiply(3, 5, 7);
            tile_load(4, upper, 64); tile_load(5, lower, 64);
            tile_load(6, x + row, pair); tile_load(7, x + row + 64, pair);
            tile_multiply(0, 4, 6); tile_multiply(1, 4, 7); tile_multiply(2, 5, 6); tile_multiply(3, 5, 7);
        }
        tile_store(0, out + i * VECTORS, row); tile_store(1, out + i * VECTORS + 1, row);
        tile_store(2, out + (i + 16) * VECTORS, row); tile_store(3, out + (i + 16) * VECTORS + 1, row);
    }
}
