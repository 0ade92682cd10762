/* The stages behind a kernel: elementwise nodes applied to rows of its output while these are in cache. */
#include "run/work.h"

#define OPERANDS_MAX 4

const tap_stage *tap_epilogue_stages(const tap_ctx *ctx, int *n) {
    const tap_work *w = tap_work_of(ctx);
    *n = w->n_stages;
    return w->stages;
}

/* Elements first to first + n of the output, all in one row from column col on (or whole rows, where nothing
 * hangs on the column). */
static void run_stage(const tap_stage *s, char *y, size_t each, int64_t first, int64_t col, int64_t n) {
    char *p[OPERANDS_MAX + 2];
    int64_t step[OPERANDS_MAX + 2];
    int k = 0, o = 0;
    for (; k < s->n_operands + 1; k++) {
        if (k == s->running) {
            p[k] = y + (size_t)first * each;
            step[k] = (int64_t)each;
            continue;
        }
        int64_t at = s->bytes[o] ? (s->last_axis[o] ? col : first) * s->bytes[o] : 0;
        p[k] = s->operand[o] ? (char *)(uintptr_t)s->operand[o] + at : NULL;
        step[k] = s->operand[o] ? s->bytes[o] : 0;
        o++;
    }
    p[k] = y + (size_t)first * each;
    step[k] = (int64_t)each;
    s->loop(n, p, step, s->state);
}

static bool by_column(const tap_stage *s) {
    for (int32_t i = 0; i < s->n_operands; i++)
        if (s->last_axis[i]) return true;
    return false;
}

void tap_epilogue(const tap_ctx *ctx, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
    tap_epilogue_from(ctx, 0, row, n_rows, col, n_cols);
}

void tap_epilogue_from(const tap_ctx *ctx, int n, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
    const tap_work *w = tap_work_of(ctx);
    const tap_tensor *t = ctx->out[0];
    int64_t width = t->rank ? t->dims[t->rank - 1] : 1;
    size_t each = tap_dtype_bytes(t->dtype);
    bool whole = col == 0 && n_cols == width;
    for (int32_t k = n; k < w->n_stages; k++) {
        const tap_stage *s = &w->stages[k];
        if (whole && !by_column(s)) {
            run_stage(s, t->data, each, row * width, 0, n_rows * width);
            continue;
        }
        int64_t at_once = whole && s->repeats > 1 ? s->repeats : 1;
        for (int64_t r = row; r < row + n_rows; r += at_once)
            run_stage(s, t->data, each, r * width + col, col, tap_min64(at_once, row + n_rows - r) * n_cols);
    }
}
