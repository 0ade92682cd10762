/* Finding a string or a number in a list: a hash table of positions. Of equal entries the first counts. */
#ifndef TAP_OPS_COMMON_DICTIONARY_H
#define TAP_OPS_COMMON_DICTIONARY_H

#include <string.h>

#include "common/utf8.h"

/* Numbers are compared by a key: integers by value, floats by their float64 bits, with one zero and one NaN.
 */
typedef struct tap_dictionary {
    size_t n, n_slots;       /* n_slots: a power of two above 1.5 n                               */
    const tap_string *words; /* of a dictionary of strings, else NULL                             */
    const uint64_t *numbers; /* of a dictionary of numbers, else NULL                             */
    int64_t *slot;           /* position in the list, -1 = free                                   */
} tap_dictionary;

static inline uint64_t tap_key_of_real(double x) {
    uint64_t bits;
    if (x == 0) x = 0;
    if (x != x) return UINT64_C(0x7FF8000000000000);
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The key of element i of an integer, float32 or float64 tensor at any address. */
static inline uint64_t tap_key_at(const tap_tensor *t, int64_t i) {
    const char *p = (const char *)t->data + (size_t)i * tap_dtype_bytes(t->dtype);
    float f;
    double d;
    int16_t h;
    int32_t w;
    int64_t l;
    switch (t->dtype) {
    case TAP_FLOAT: memcpy(&f, p, sizeof f); return tap_key_of_real((double)f);
    case TAP_DOUBLE: memcpy(&d, p, sizeof d); return tap_key_of_real(d);
    case TAP_INT16: memcpy(&h, p, sizeof h); return (uint64_t)(int64_t)h;
    case TAP_INT32: memcpy(&w, p, sizeof w); return (uint64_t)(int64_t)w;
    default: memcpy(&l, p, sizeof l); return (uint64_t)l;
    }
}

/* The keys of elements begin .. begin + n of such a tensor. */
#define TAP_KEYS(T, KEY)                         \
    do {                                         \
        const T *v = (const T *)t->data + begin; \
        for (int64_t i = 0; i < n; i++) {        \
            const T x = v[i];                    \
            keys[i] = KEY;                       \
        }                                        \
    } while (0)
static inline void tap_keys_of(const tap_tensor *t, int64_t begin, int64_t n, uint64_t *keys) {
    switch (t->dtype) {
    case TAP_FLOAT: TAP_KEYS(float, tap_key_of_real((double)x)); break;
    case TAP_DOUBLE: TAP_KEYS(double, tap_key_of_real(x)); break;
    case TAP_INT16: TAP_KEYS(int16_t, (uint64_t)(int64_t)x); break;
    case TAP_INT32: TAP_KEYS(int32_t, (uint64_t)(int64_t)x); break;
    default: TAP_KEYS(int64_t, (uint64_t)x); break;
    }
}
#undef TAP_KEYS

static inline uint64_t tap_hash_number(uint64_t x) {
    x *= UINT64_C(0x9E3779B97F4A7C15);
    return x ^ x >> 32;
}

/* Position of a word, -1 = none. *at (may be NULL): its slot, or where it would go. */
static inline int64_t tap_find_word(const tap_dictionary *d, tap_string word, size_t *at) {
    size_t i = (size_t)tap_hash_bytes(word.s, word.n) & (d->n_slots - 1);
    while (d->slot[i] >= 0 && !tap_string_equal(d->words[d->slot[i]], word)) i = (i + 1) & (d->n_slots - 1);
    if (at) *at = i;
    return d->slot[i];
}

static inline int64_t tap_find_number(const tap_dictionary *d, uint64_t key, size_t *at) {
    size_t i = (size_t)tap_hash_number(key) & (d->n_slots - 1);
    while (d->slot[i] >= 0 && d->numbers[d->slot[i]] != key) i = (i + 1) & (d->n_slots - 1);
    if (at) *at = i;
    return d->slot[i];
}

/* Lists of up to this many numbers are compared with keys one after the other, many keys at once. */
#define TAP_FEW_NUMBERS 16

/* at[n] = positions of the keys; -1 = none. */
static inline void tap_find_numbers(const tap_dictionary *d, int64_t n, const uint64_t *restrict keys,
                                    int64_t *restrict at) {
    if (d->n > TAP_FEW_NUMBERS) {
        for (int64_t i = 0; i < n; i++) at[i] = tap_find_number(d, keys[i], NULL);
        return;
    }
    for (int64_t i = 0; i < n; i++) at[i] = -1;
    for (int64_t k = (int64_t)d->n; k-- > 0;) { /* the first of equal entries comes last, and stays */
        const uint64_t number = d->numbers[k];
        for (int64_t i = 0; i < n; i++) at[i] = keys[i] == number ? k : at[i];
    }
}

/* prepare: a dictionary of n words, or else n numbers; the list lives as long as the model. */
static inline tap_status tap_dictionary_make(tap_ctx *ctx, tap_dictionary *d, const tap_string *words,
                                             const uint64_t *numbers, size_t n) {
    *d = (tap_dictionary){.n = n, .n_slots = 4, .words = words, .numbers = numbers};
    while (d->n_slots < n + n / 2 + 1) d->n_slots *= 2;
    d->slot = tap_state(ctx, d->n_slots * sizeof *d->slot);
    if (!d->slot) return TAP_MEMORY;
    for (size_t i = 0; i < d->n_slots; i++) d->slot[i] = -1;
    for (size_t i = 0; i < n; i++) {
        size_t at;
        int64_t found = words ? tap_find_word(d, words[i], &at) : tap_find_number(d, numbers[i], &at);
        if (found < 0) d->slot[at] = (int64_t)i;
    }
    return TAP_OK;
}

/* prepare: the same of integers from an attribute. */
static inline tap_status tap_dictionary_of_ints(tap_ctx *ctx, tap_dictionary *d, const int64_t *v, size_t n) {
    uint64_t *keys = tap_state(ctx, (n + 1) * sizeof *keys);
    if (!keys) return TAP_MEMORY;
    for (size_t i = 0; i < n; i++) keys[i] = (uint64_t)v[i];
    return tap_dictionary_make(ctx, d, NULL, keys, n);
}

/* Position of element i of x in the dictionary, which is of x's kind; -1 = none. */
static inline int64_t tap_find_at(const tap_dictionary *d, const tap_tensor *x, int64_t i) {
    if (d->words) return tap_find_word(d, ((const tap_string *)x->data)[i], NULL);
    return tap_find_number(d, tap_key_at(x, i), NULL);
}

#endif
