/* An operator of a program's own: Squash of the domain com.example, y = x / (1 + k |x|). */
#include <math.h>
#include <onnxtap/op.h>

typedef struct squash {
    float k;
} squash;

/* Once a node: its attributes become the state that every run gets. */
static tap_status prepare(tap_ctx *ctx, void **state) {
    squash *s = *state = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    s->k = tap_attr_float(ctx, "k", 1.0F);
    return s->k >= 0 ? TAP_OK : tap_fail(ctx, TAP_MODEL, "k is %g and must not be negative", (double)s->k);
}

/* n elements, step[i] bytes apart. Broadcasting, threads and fusion are the library's business. */
static void squash_floats(int64_t n, char *const *p, const int64_t *step, const void *state) {
    const squash *s = state;
    for (int64_t i = 0; i < n; i++) {
        const float x = *(const float *)(p[0] + i * step[0]);
        *(float *)(p[1] + i * step[1]) = x / (1 + s->k * fabsf(x));
    }
}

static tap_loop *const loops[TAP_DTYPE_COUNT] = {[TAP_FLOAT] = squash_floats};

static const tap_op rows[] = {
    {.name = "Squash",
     .domain = "com.example",
     .since = 1,
     .in_min = 1,
     .in_max = 1,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_ELEMENTWISE | TAP_IN_PLACE,
     .loops = loops,
     .prepare = prepare},
    {.name = NULL},
};

static const tap_family family = {"example", rows};
/* For tap_model_options.ops, and by this name for --ops. */
const tap_op_set onnxtap_ops = {sizeof onnxtap_ops, TAP_OP_ABI, &family, 1};
