/* Conversions between dtypes, block by block. */
#include "io/cast.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "io/element.h"
#include "onnxtap/record.h"

static void cast_elements(const tap_tensor *x, tap_tensor *y) {
    bool widen_complex = tap_class_of(y->dtype) == TAP_CLASS_COMPLEX;
    bool parts = widen_complex && tap_class_of(x->dtype) == TAP_CLASS_COMPLEX;
    tap_class c = parts ? TAP_CLASS_REAL : tap_class_of(x->dtype);
    int64_t n_all = parts ? 2 * x->count : x->count;
    size_t from = tap_dtype_bytes(x->dtype) / (parts ? 2 : 1),
           to = tap_dtype_bytes(y->dtype) / (parts ? 2 : 1);
    const char *p = x->data;
    char *q = y->data;
    tap_wide w, pairs;
    int64_t step = widen_complex && !parts ? TAP_WIDE_BLOCK / 2 : TAP_WIDE_BLOCK;
    for (int64_t i = 0; i < n_all; i += step) {
        int64_t n = tap_min64(step, n_all - i);
        tap_widen(x->dtype, p + (size_t)i * from, n, &w);
        if (step == TAP_WIDE_BLOCK) {
            tap_narrow(y->dtype, c, &w, n, q + (size_t)i * to);
            continue;
        }
        tap_narrow(TAP_DOUBLE, c, &w, n, w.f);
        for (int64_t k = 0; k < n; k++) {
            pairs.f[2 * k] = w.f[k];
            pairs.f[2 * k + 1] = 0;
        }
        tap_narrow(y->dtype, TAP_CLASS_REAL, &pairs, 2 * n, q + (size_t)i * to);
    }
}

tap_status tap_value_cast(const tap_value *v, tap_dtype to, tap_value **out, tap_error *err) {
    *out = NULL;
    const tap_tensor *x = tap_settle(tap_value_tensor(v));
    if (!x || tap_dtype_bytes(to) == 0)
        return tap_error_set(err, TAP_USAGE, "only tensors can be cast, and to a dtype");
    tap_class a = tap_class_of(x->dtype), b = tap_class_of(to);
    if (x->dtype == to) return tap_value_copy(v, out, err);
    if (a == TAP_CLASS_STRING || b == TAP_CLASS_STRING || (a == TAP_CLASS_COMPLEX && b != TAP_CLASS_COMPLEX))
        return tap_error_set(err, TAP_DATA, "%s cannot be cast to %s", tap_dtype_name(x->dtype),
                             tap_dtype_name(to));
    tap_status s = tap_value_new(to, x->rank, x->dims, out, err);
    if (s == TAP_OK) cast_elements(x, &(*out)->tensor);
    return s;
}

/* The dtype that a file has in place of one that NumPy lacks. */
static tap_dtype stands_for(tap_dtype t) {
    switch (t) {
    case TAP_INT4:
    case TAP_INT2: return TAP_INT8;
    case TAP_UINT4:
    case TAP_UINT2: return TAP_UINT8;
    case TAP_BFLOAT16:
    case TAP_FLOAT6E2M3:
    case TAP_FLOAT6E3M2:
    case TAP_FLOAT4E2M1: return TAP_FLOAT;
    default: return t >= TAP_FLOAT8E4M3FN && t <= TAP_FLOAT8E8M0 ? TAP_FLOAT : TAP_UNDEFINED;
    }
}

/* Whether casting back gives the same: then nothing was lost. */
static bool lossless(const tap_tensor *x, const tap_value *y) {
    tap_value *back;
    if (tap_value_cast(y, x->dtype, &back, NULL) != TAP_OK) return false;
    const tap_tensor *b = tap_value_tensor(back);
    bool same = true;
    for (int64_t i = 0; i < x->count && same; i++)
        if (x->dtype == TAP_FLOAT) {
            float p = ((const float *)x->data)[i], q = ((const float *)b->data)[i];
            same = p == q || (isnan(p) && isnan(q));
        } else {
            same = ((const uint8_t *)x->data)[i] == ((const uint8_t *)b->data)[i];
        }
    tap_value_release(back);
    return same;
}

static tap_status refuse(const tap_tensor *x, tap_dtype want, const char *name, const char *hint,
                         tap_error *err) {
    return tap_error_set(err, TAP_DATA, "%s: its dtype is %s, the model wants %s%s", name,
                         tap_dtype_name(x->dtype), tap_dtype_name(want), hint);
}

tap_status tap_fit(tap_value **v, tap_dtype want, bool cast, const char *name, tap_error *err) {
    const tap_tensor *x = tap_value_tensor(*v);
    if (!x || want == TAP_UNDEFINED || x->dtype == want) return TAP_OK;
    bool stands = stands_for(want) == x->dtype;
    tap_value *y = NULL;
    tap_status s = TAP_OK;
    if (!cast && !stands)
        s = refuse(x, want, name, tap_class_of(want) == TAP_CLASS_STRING ? "" : "; --cast converts it", err);
    else
        s = tap_value_cast(*v, want, &y, err);
    if (s == TAP_OK && !cast && !lossless(x, y))
        s = refuse(x, want, name, ", which does not hold these values exactly; --cast rounds them", err);
    if (s == TAP_DATA && cast) s = refuse(x, want, name, ", and there is no conversion", err);
    tap_value_release(*v);
    if (s != TAP_OK) {
        tap_value_release(y);
        y = NULL;
    }
    *v = y;
    return s;
}
