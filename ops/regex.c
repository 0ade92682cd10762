/* RegexFullMatch. */
#include "common/ops.h"
#include "regex.h"

#ifdef TAP_HAVE_RE2

typedef struct regex_state {
    tap_regex *regex;
} regex_state;

static tap_status regex_prepare(tap_ctx *ctx, void **state) {
    regex_state *s = tap_state(ctx, sizeof *s);
    char message[512] = "";
    if (!s) return TAP_MEMORY;
    *state = s;
    if (!tap_attr_has(ctx, "pattern")) return tap_fail(ctx, TAP_MODEL, "attribute pattern is missing");
    tap_string pattern = tap_attr_bytes(ctx, "pattern");
    s->regex = tap_regex_new(pattern.s ? pattern.s : "", pattern.n, false, message, sizeof message);
    if (s->regex) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "attribute pattern is no regular expression of RE2: %s", message);
}

static void regex_release(void *state) {
    regex_state *s = state;
    if (s && s->regex) tap_regex_free(s->regex);
}

static tap_status regex_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    if (!x) return tap_out_type(ctx, 0, TAP_BOOL, -1, NULL);
    return tap_out_type(ctx, 0, TAP_BOOL, x->rank, x->dims);
}

static tap_status regex_run(tap_ctx *ctx) {
    const regex_state *s = ctx->state;
    const tap_string *x = ctx->in[0]->data;
    bool *y = ctx->out[0]->data;
    for (int64_t i = 0; i < ctx->in[0]->count; i++)
        y[i] = tap_regex_matches(s->regex, x[i].n ? x[i].s : "", x[i].n);
    return TAP_OK;
}

#define REGEX .prepare = regex_prepare, .infer = regex_infer, .run = regex_run, .release = regex_release

#else

static tap_status refuse(tap_ctx *ctx, void **state) {
    *state = NULL;
    return tap_fail(ctx, TAP_UNSUPPORTED,
                    "this onnxtap was built without libre2, which it needs for regular expressions");
}

#define REGEX .prepare = refuse

#endif

static const tap_op ops[] = {
    {.name = "RegexFullMatch",
     .since = 20,
     .in_min = 1,
     .in_max = 1,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_BIT(TAP_STRING),
     REGEX,
     .notes = "By libre2; a build without it refuses the operator."},
    {0},
};

TAP_DEFINE_FAMILY(regex, ops);
