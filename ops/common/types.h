/* Types that hold for several values: what the two branches of If give, what a loop carries, the items of a
 * sequence. */
#ifndef TAP_OPS_COMMON_TYPES_H
#define TAP_OPS_COMMON_TYPES_H

#include "common/ops.h"

/* ONNX nests no deeper than optional(sequence(map(tensor))). */
#define TAP_TYPE_DEPTH 4

/* A type together with its element types. t[0].kind TAP_KIND_NONE: nothing is known of it. */
typedef struct tap_type_chain {
    tap_type t[TAP_TYPE_DEPTH];
} tap_type_chain;

/* *c = type (NULL: unknown), independent of the memory that type lies in. */
static inline void tap_type_take(tap_type_chain *c, const tap_type *type) {
    for (int k = 0; k < TAP_TYPE_DEPTH; k++) {
        c->t[k] = type ? *type : (tap_type){.kind = TAP_KIND_NONE, .rank = -1};
        c->t[k].elem = type && type->elem && k + 1 < TAP_TYPE_DEPTH ? &c->t[k + 1] : NULL;
        if (type) type = type->elem;
    }
}

/* The type, NULL where it is unknown; lives as long as *c. */
static inline const tap_type *tap_type_given(const tap_type_chain *c) {
    return c->t[0].kind == TAP_KIND_NONE ? NULL : &c->t[0];
}

/* *t = what holds for *t and for u alike; unequal dims become unknown. Returns whether that changed *t. */
static inline bool tap_type_widen_level(tap_type *t, const tap_type *u) {
    bool changed = false;
    if (t->dtype != u->dtype && t->dtype != TAP_UNDEFINED) {
        t->dtype = TAP_UNDEFINED;
        changed = true;
    }
    if (t->rank != u->rank) {
        changed = changed || t->rank != -1;
        t->rank = -1;
    }
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] != u->dims[i] && t->dims[i] != -1) {
            t->dims[i] = -1;
            changed = true;
        }
    return changed;
}

/* The same for a whole type. Where the kinds differ nothing is known afterwards. */
static inline bool tap_type_widen(tap_type_chain *c, const tap_type *u) {
    bool changed = false;
    for (int k = 0; k < TAP_TYPE_DEPTH && c->t[k].kind != TAP_KIND_NONE; k++) {
        tap_type *t = &c->t[k];
        if (!u || t->kind != u->kind || !t->elem != !u->elem) {
            tap_type_take(c, NULL);
            return true;
        }
        changed = tap_type_widen_level(t, u) || changed;
        if (!t->elem) break;
        u = u->elem;
    }
    return changed;
}

/* Forgets the shapes, keeps kinds and dtypes. */
static inline void tap_type_forget_shape(tap_type_chain *c) {
    for (int k = 0; k < TAP_TYPE_DEPTH; k++) c->t[k].rank = -1;
}

/* The tensor type at the bottom: of a sequence's or an optional's elements, or *t itself. NULL for an unknown
 * type. */
static inline const tap_type *tap_type_tensor(const tap_type *t) {
    while (t && t->kind != TAP_KIND_TENSOR) t = t->elem;
    return t;
}

/* Elements of a tensor of this type; -1 = unknown. */
static inline int64_t tap_type_count(const tap_type *t) {
    if (!t || t->rank < 0) return -1;
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] < 0 || !tap_mul64(n, t->dims[i], &n)) return -1;
    return n;
}

#endif
