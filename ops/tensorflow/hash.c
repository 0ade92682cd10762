/* Text to buckets: StringToHashBucketFast (FarmHash's Fingerprint64), StringToHashBucketStrong (SipHash-2-4).
 */
#include <string.h>

#include "common/shape.h"
#include "tensorflow/tensorflow.h"

/* ---- Fingerprint64 ------------------------------------------------------------------------------------ */

#define K0 UINT64_C(0xc3a5c85c97cb3127)
#define K1 UINT64_C(0xb492b66fbe98f273)
#define K2 UINT64_C(0x9ae16a3b2f90404f)

typedef struct pair {
    uint64_t a, b;
} pair;

static uint64_t word64(const char *s) {
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) v = v << 8 | (unsigned char)s[i];
    return v;
}

static uint64_t word32(const char *s) {
    return word64((const char[8]){s[0], s[1], s[2], s[3], 0, 0, 0, 0});
}

static uint64_t right(uint64_t v, int n) {
    return v >> n | v << (64 - n);
}

static uint64_t shift_mix(uint64_t v) {
    return v ^ v >> 47;
}

static uint64_t join(uint64_t u, uint64_t v, uint64_t mul) {
    const uint64_t a = shift_mix((u ^ v) * mul);
    return shift_mix((v ^ a) * mul) * mul;
}

static uint64_t up_to_16(const char *s, size_t n) {
    const uint64_t mul = K2 + n * 2;
    if (n >= 8) {
        const uint64_t a = word64(s) + K2, b = word64(s + n - 8);
        return join(right(b, 37) * mul + a, (right(a, 25) + b) * mul, mul);
    }
    if (n >= 4) return join(n + (word32(s) << 3), word32(s + n - 4), mul);
    if (n == 0) return K2;
    const uint64_t y = (uint64_t)(unsigned char)s[0] + ((uint64_t)(unsigned char)s[n / 2] << 8);
    const uint64_t z = n + ((uint64_t)(unsigned char)s[n - 1] << 2);
    return shift_mix(y * K2 ^ z * K0) * K2;
}

static uint64_t up_to_32(const char *s, size_t n) {
    const uint64_t mul = K2 + n * 2, a = word64(s) * K1, b = word64(s + 8);
    const uint64_t c = word64(s + n - 8) * mul, d = word64(s + n - 16) * K2;
    return join(right(a + b, 43) + right(c, 30) + d, a + right(b + K2, 18) + c, mul);
}

static uint64_t up_to_64(const char *s, size_t n) {
    const uint64_t mul = K2 + n * 2, a = word64(s) * K2, b = word64(s + 8);
    const uint64_t c = word64(s + n - 8) * mul, d = word64(s + n - 16) * K2;
    const uint64_t y = right(a + b, 43) + right(c, 30) + d, z = join(y, a + right(b + K2, 18) + c, mul);
    const uint64_t e = word64(s + 16) * mul, f = word64(s + 24);
    const uint64_t g = (y + word64(s + n - 32)) * mul, h = (z + word64(s + n - 24)) * mul;
    return join(right(e + f, 43) + right(g, 30) + h, e + right(f + a, 18) + g, mul);
}

static pair weak(const char *s, uint64_t a, uint64_t b) {
    const uint64_t w = word64(s), x = word64(s + 8), y = word64(s + 16), z = word64(s + 24);
    a += w;
    b = right(b + a + z, 21);
    const uint64_t c = a;
    a += x + y;
    b += right(a, 44);
    return (pair){a + z, b + c};
}

typedef struct mill {
    uint64_t x, y, z;
    pair v, w;
} mill;

/* A block of 64 bytes; the last one weighs some words nine times. */
static void grind(mill *m, const char *s, uint64_t mul, uint64_t weight) {
    m->x = right(m->x + m->y + m->v.a + word64(s + 8), 37) * mul;
    m->y = right(m->y + m->v.b + word64(s + 48), 42) * mul;
    m->x ^= m->w.b * weight;
    m->y += m->v.a * weight + word64(s + 40);
    m->z = right(m->z + m->w.a, 33) * mul;
    m->v = weak(s, m->v.b * mul, m->x + m->w.a);
    m->w = weak(s + 32, m->z + m->w.b, m->y + word64(s + 16));
    const uint64_t t = m->z;
    m->z = m->x;
    m->x = t;
}

static uint64_t fingerprint(const char *s, size_t n) {
    if (n <= 16) return up_to_16(s, n);
    if (n <= 32) return up_to_32(s, n);
    if (n <= 64) return up_to_64(s, n);
    mill m = {.x = 81 * K2 + word64(s), .y = 81 * K1 + 113};
    m.z = shift_mix(m.y * K2 + 113) * K2;
    const size_t blocks = (n - 1) / 64, rest = (n - 1) & 63;
    for (size_t i = 0; i < blocks; i++) grind(&m, s + 64 * i, K1, 1);
    const uint64_t mul = K1 + ((m.z & 0xff) << 1);
    m.w.a += rest;
    m.v.a += m.w.a;
    m.w.a += m.v.a;
    grind(&m, s + n - 64, mul, 9);
    return join(join(m.v.a, m.w.a, mul) + shift_mix(m.y) * K0 + m.z, join(m.v.b, m.w.b, mul) + m.x, mul);
}

/* ---- SipHash-2-4 (Aumasson and Bernstein, 2012) ------------------------------------------------------- */

static void sip_round(uint64_t *v) {
    v[0] += v[1];
    v[1] = right(v[1], 51) ^ v[0];
    v[0] = right(v[0], 32);
    v[2] += v[3];
    v[3] = right(v[3], 48) ^ v[2];
    v[0] += v[3];
    v[3] = right(v[3], 43) ^ v[0];
    v[2] += v[1];
    v[1] = right(v[1], 47) ^ v[2];
    v[2] = right(v[2], 32);
}

static uint64_t sip(const uint64_t *key, const char *s, size_t n) {
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    for (size_t at = 0; at <= n; at += 8) {
        char block[8] = {0, 0, 0, 0, 0, 0, 0, (char)n};
        if (n - at >= 8)
            memcpy(block, s + at, 8);
        else if (n > at)
            memcpy(block, s + at, n - at);
        const uint64_t w = word64(block);
        v[3] ^= w;
        sip_round(v);
        sip_round(v);
        v[0] ^= w;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- The operators ------------------------------------------------------------------------------------- */

typedef struct buckets {
    uint64_t n, key[2];
    bool strong;
} buckets;

static tap_status hash_prepare(tap_ctx *ctx, void **state) {
    buckets *s = tap_state(ctx, sizeof *s);
    size_t n_key;
    if (!s) return TAP_MEMORY;
    *state = s;
    const int64_t n = tap_attr_int(ctx, "num_buckets", 0);
    if (n < 1) return tap_fail(ctx, TAP_MODEL, "attribute num_buckets is %lld", (long long)n);
    s->n = (uint64_t)n;
    s->strong = tap_ctx_op(ctx)->data != NULL;
    if (!s->strong) return TAP_OK;
    const int64_t *key = tap_attr_ints(ctx, "key", &n_key);
    if (n_key != 2) return tap_fail(ctx, TAP_MODEL, "attribute key has %zu elements, not 2", n_key);
    s->key[0] = (uint64_t)key[0];
    s->key[1] = (uint64_t)key[1];
    return TAP_OK;
}

static tap_status hash_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    return tap_out_type(ctx, 0, TAP_INT64, x->rank, x->dims);
}

static tap_status hash_run(tap_ctx *ctx) {
    const buckets *s = ctx->state;
    const tap_string *x = ctx->in[0]->data;
    int64_t *y = ctx->out[0]->data;
    for (int64_t i = 0; i < ctx->in[0]->count; i++) {
        const char *text = x[i].n ? x[i].s : "";
        y[i] = (int64_t)((s->strong ? sip(s->key, text, x[i].n) : fingerprint(text, x[i].n)) % s->n);
    }
    return TAP_OK;
}

#define HASH(NAME, STRONG)                                                                                   \
    {                                                                                                        \
        TAP_TF_ROW(NAME, 1, 1), .dtypes = TAP_BIT(TAP_STRING), .prepare = hash_prepare, .infer = hash_infer, \
                                .run = hash_run, .data = STRONG                                              \
    }

static const tap_op ops[] = {
    HASH("StringToHashBucketFast", NULL),
    HASH("StringToHashBucketStrong", "strong"),
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_hash, ops);
