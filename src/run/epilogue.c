/* The stages behind a kernel: elementwise nodes applied to rows of its output while these are in cache. */
#include "run/work.h"

#include <string.h>

#define OPERANDS_MAX 4

/* Bytes of a running value that are kept while a branch is computed from it: they stay in the first cache. */
enum { KEPT_BYTES = 4096 };

const tap_stage *tap_epilogue_stages(const tap_ctx *ctx, int *n) {
    const tap_work *w = tap_work_of(ctx);
    *n = w->n_stages;
    return w->stages;
}

/* Elements first to first + n of the output, all in one row from column col on (or whole rows, where nothing
 * hangs on the column). kept: those of the running value as it was. */
static void run_stage(const tap_stage *s, char *y, size_t each, int64_t first, int64_t col, int64_t n,
                      char *kept) {
    char *p[OPERANDS_MAX + 2];
    int64_t step[OPERANDS_MAX + 2];
    int k = 0, o = 0;
    for (; k < s->n_operands + 1; k++) {
        if (k == s->running) {
            p[k] = y + (size_t)first * each;
            step[k] = (int64_t)each;
            continue;
        }
        if (o + 1 == s->rejoined) {
            p[k] = kept;
            step[k] = (int64_t)each;
            o++;
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

/* Stages s[0 .. n) on elements first to first + count, of which some are kept on the way. */
static void run_kept(const tap_stage *s, int n, char *y, size_t each, int64_t first, int64_t col,
                     int64_t count) {
    _Alignas(64) char kept[KEPT_BYTES];
    const int64_t most = KEPT_BYTES / (int64_t)each;
    for (int64_t i = 0; i < count; i += most) {
        const int64_t now = tap_min64(most, count - i);
        for (int k = 0; k < n; k++) {
            if (s[k].keeps) memcpy(kept, y + (size_t)(first + i) * each, (size_t)now * each);
            run_stage(&s[k], y, each, first + i, col + i, now, kept);
        }
    }
}

/* A value that two stages read goes through all of them a piece at a time. */
static void run_branching(const tap_work *w, int n, int64_t row, int64_t n_rows, int64_t col,
                          int64_t n_cols) {
    const tap_tensor *t = w->pub.out[0];
    const int64_t width = t->rank ? t->dims[t->rank - 1] : 1;
    const size_t each = tap_dtype_bytes(t->dtype);
    bool columns = false;
    for (int32_t k = n; k < w->n_stages; k++) columns |= by_column(&w->stages[k]);
    if (!columns && col == 0 && n_cols == width) {
        run_kept(w->stages + n, w->n_stages - n, t->data, each, row * width, 0, n_rows * width);
        return;
    }
    for (int64_t r = row; r < row + n_rows; r++)
        run_kept(w->stages + n, w->n_stages - n, t->data, each, r * width + col, col, n_cols);
}

void tap_epilogue_from(const tap_ctx *ctx, int n, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
    const tap_work *w = tap_work_of(ctx);
    const tap_tensor *t = ctx->out[0];
    int64_t width = t->rank ? t->dims[t->rank - 1] : 1;
    size_t each = tap_dtype_bytes(t->dtype);
    bool whole = col == 0 && n_cols == width;
    for (int32_t k = n; k < w->n_stages; k++)
        if (w->stages[k].keeps) {
            run_branching(w, n, row, n_rows, col, n_cols);
            return;
        }
    for (int32_t k = n; k < w->n_stages; k++) {
        const tap_stage *s = &w->stages[k];
        if (whole && !by_column(s)) {
            run_stage(s, t->data, each, row * width, 0, n_rows * width, NULL);
            continue;
        }
        int64_t at_once = whole && s->repeats > 1 ? s->repeats : 1;
        for (int64_t r = row; r < row + n_rows; r += at_once)
            run_stage(s, t->data, each, r * width + col, col, tap_min64(at_once, row + n_rows - r) * n_cols,
                      NULL);
    }
}
