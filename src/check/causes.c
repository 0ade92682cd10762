/* Why a node's output is not finite though its inputs are: a row for each operator that can do that by
 * itself. */
#include <math.h>
#include <string.h>

#include "check/finite.h"
#include "core/base.h"

#define FLOAT16_MAX 65504.0

typedef const char *cause_fn(const tap_seen *const *in, size_t n_in, const tap_seen *out);

static const tap_seen *at(const tap_seen *const *in, size_t n_in, size_t i) {
    static const tap_seen none = {.min = NAN, .max = NAN};
    return i < n_in && in[i] ? in[i] : &none;
}

static bool spans(const tap_seen *x, double v) {
    return x->min <= v && v <= x->max;
}

static const char *of_log(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    if (out->nan > 0) return "log of a negative number";
    return spans(at(in, n_in, 0), 0) ? "log of 0" : "";
}

static const char *of_div(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    if (!spans(at(in, n_in, 1), 0)) return "overflow: the quotient is too large for its type";
    return out->nan == 0 ? "division by 0" : out->nan == out->nonfinite ? "0/0" : "division by 0, and 0/0";
}

static const char *of_reciprocal(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    (void)out;
    return spans(at(in, n_in, 0), 0) ? "division by 0"
                                     : "overflow: the number is too small for its reciprocal";
}

static const char *of_sqrt(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    (void)in, (void)n_in;
    return out->nan > 0 ? "sqrt of a negative number" : "";
}

static const char *of_exp(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    (void)out;
    return at(in, n_in, 0)->max > 10 ? "exp overflow" : "";
}

static const char *of_pow(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    const tap_seen *x = at(in, n_in, 0), *y = at(in, n_in, 1);
    if (out->nan > 0 && x->min < 0) return "a negative number to a power that is not whole";
    if (spans(x, 0) && y->min < 0) return "0 to a negative power: division by 0";
    return "overflow: the power is too large for its type";
}

static const char *of_unit(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    const tap_seen *x = at(in, n_in, 0);
    (void)out;
    return x->max > 1 || x->min < -1 ? "outside of [-1, 1]" : "at the end of [-1, 1]";
}

static const char *of_acosh(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    (void)out;
    return at(in, n_in, 0)->min < 1 ? "below 1, where acosh ends" : "";
}

static const char *of_mod(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    (void)out;
    return spans(at(in, n_in, 1), 0) ? "remainder of a division by 0" : "";
}

static const char *of_cast(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    const tap_seen *x = at(in, n_in, 0);
    bool half = out->dtype == TAP_FLOAT16;
    if (half && (x->max > FLOAT16_MAX || x->min < -FLOAT16_MAX)) return "float16 overflow on cast";
    return "overflow on cast: too large for the type";
}

static const char *of_variance(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    (void)out;
    const tap_seen *var = at(in, n_in, 4);
    return var->min <= 0 ? "a variance that is 0 or negative, even with epsilon" : "";
}

static const char *of_norm(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    (void)in, (void)n_in, (void)out;
    return "the numbers it divides by are 0, or their squares too large";
}

static const char *of_mean(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    if (at(in, n_in, 0)->count == 0) return "a mean of no elements: 0/0";
    (void)out;
    return "";
}

static const char *of_empty_max(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    (void)out;
    return at(in, n_in, 0)->count == 0 ? "the largest or smallest of no elements" : "";
}

static const struct {
    const char *op;
    cause_fn *cause;
} causes[] = {
    {"Log", of_log},
    {"LogSoftmax", of_log},
    {"ReduceLogSum", of_log},
    {"ReduceLogSumExp", of_exp},
    {"Div", of_div},
    {"Reciprocal", of_reciprocal},
    {"Sqrt", of_sqrt},
    {"Exp", of_exp},
    {"Sinh", of_exp},
    {"Cosh", of_exp},
    {"Softplus", of_exp},
    {"Elu", of_exp},
    {"Pow", of_pow},
    {"Acos", of_unit},
    {"Asin", of_unit},
    {"Atanh", of_unit},
    {"Acosh", of_acosh},
    {"Mod", of_mod},
    {"Cast", of_cast},
    {"CastLike", of_cast},
    {"BatchNormalization", of_variance},
    {"LayerNormalization", of_norm},
    {"InstanceNormalization", of_norm},
    {"GroupNormalization", of_norm},
    {"RMSNormalization", of_norm},
    {"LpNormalization", of_norm},
    {"ReduceMean", of_mean},
    {"GlobalAveragePool", of_mean},
    {"AveragePool", of_mean},
    {"ReduceMax", of_empty_max},
    {"ReduceMin", of_empty_max},
};

static double largest(const tap_seen *x) {
    return fmax(fabs(x->min), fabs(x->max));
}

static double type_max(tap_dtype t) {
    return t == TAP_FLOAT16 ? FLOAT16_MAX : t == TAP_DOUBLE ? 0x1.fffffffffffffp+1023 : 0x1.fffffep+127;
}

/* Sums and products of large numbers. */
static const char *of_large(const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    double most = 0;
    for (size_t i = 0; i < n_in; i++)
        if (in[i] && largest(in[i]) > most) most = largest(in[i]);
    if (most * most < type_max(out->dtype) / 1e6) return "";
    return out->dtype == TAP_FLOAT16 ? "float16 overflow: the result is beyond 65504"
                                     : "overflow: the result is too large for its type";
}

const char *tap_nonfinite_cause(const char *op, const tap_seen *const *in, size_t n_in, const tap_seen *out) {
    for (size_t i = 0; i < TAP_COUNT_OF(causes); i++)
        if (strcmp(causes[i].op, op) == 0) {
            const char *why = causes[i].cause(in, n_in, out);
            if (*why) return why;
        }
    return of_large(in, n_in, out);
}
