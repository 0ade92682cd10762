/* What the inputs of an operator are, written as a line of text. */
#include "common/signature.h"

#include "common/shape.h"

static uint32_t fixed_types(char letter) {
    switch (letter) {
    case 'f': return TAP_BIT(TAP_FLOAT);
    case 'i': return TAP_BIT(TAP_INT32);
    case 'l': return TAP_BIT(TAP_INT64);
    case 'I': return TAP_TYPES_INDEX;
    case 'q': return TAP_BIT(TAP_INT8) | TAP_BIT(TAP_UINT8);
    case 'b': return TAP_BIT(TAP_BOOL);
    default: return TAP_TYPES_ALL;
    }
}

/* first[letter]: the first input with it + 1. */
static tap_status check_type(tap_ctx *ctx, int i, char letter, int *first) {
    char what[24];
    tap_text t = {what, sizeof what, 0};
    tap_text_add(&t, "input %d", i);
    if (letter < 'T' || letter > 'W') return tap_need_dtype(ctx, i, fixed_types(letter), what);
    int *same = &first[letter - 'T'];
    if (*same) return tap_need_same_dtype(ctx, *same - 1, i, what);
    const tap_type *type = tap_in_type(ctx, i);
    if (type && type->dtype) *same = i + 1;
    return letter == 'T' ? tap_need_dtype(ctx, i, tap_ctx_op(ctx)->dtypes, what) : TAP_OK;
}

static tap_status check_shape(tap_ctx *ctx, int i, const char **at) {
    const tap_type *x = tap_in_type(ctx, 0);
    char what[24];
    tap_text t = {what, sizeof what, 0};
    tap_text_add(&t, "input %d", i);
    switch (*(*at)++) {
    case '.': return tap_need_one(ctx, i, what);
    case '~': return x && x->rank >= 0 ? tap_need_shape(ctx, i, x->rank, x->dims, what) : TAP_OK;
    case '=': {
        const int64_t n = x && x->rank > 0 ? x->dims[x->rank - 1] : -1;
        return tap_need_shape(ctx, i, 1, &n, what);
    }
    default: {
        const int low = *(*at)++ - '0';
        const int high = **at == '-' ? (*at)[1] - '0' : low;
        if (**at == '-') *at += 2;
        return tap_need_rank(ctx, i, low, high == 9 ? TAP_RANK_MAX : high, what);
    }
    }
}

tap_status tap_check_signature(tap_ctx *ctx) {
    const char *at = tap_ctx_op(ctx)->data;
    int first[4] = {0};
    tap_status st = TAP_OK;
    for (int i = 0; at && *at && i < ctx->n_in && st == TAP_OK; i++) {
        st = check_type(ctx, i, *at++, first);
        while (*at && *at != ' ' && st == TAP_OK) st = check_shape(ctx, i, &at);
        if (*at == ' ') at++;
    }
    return st;
}
