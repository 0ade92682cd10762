/* Stages of an epilogue as stages of tiles. */
#include "common/finish.h"

#include <float.h>

static bool add(tap_finish *f, tap_finish_kind kind, tap_finish_form form, const void *p, const void *q) {
    if (f->n == TAP_FINISH_MAX) return false;
    f->stages[f->n].kind = kind;
    f->stages[f->n].form = form;
    f->stages[f->n].p[0] = p;
    f->stages[f->n++].p[1] = q;
    return true;
}

static tap_finish_form form_of(const tap_stage *s, int i) {
    if (s->bytes[i] == 0) return TAP_FINISH_ONE;
    return s->last_axis[i] ? TAP_FINISH_BY_COLUMN : TAP_FINISH_BY_ELEMENT;
}

/* A limit that is absent is the least or greatest number of the type, as it is to Clip. */
static bool add_limits(const tap_stage *s, tap_dtype dtype, tap_finish *f) {
    static const float floats[2] = {-FLT_MAX, FLT_MAX};
    static const double doubles[2] = {-DBL_MAX, DBL_MAX};
    const void *limit[2];
    for (int i = 0; i < 2; i++) {
        if (s->operand[i] && s->bytes[i] != 0) return false;
        limit[i] = dtype == TAP_FLOAT ? (const void *)&floats[i] : &doubles[i];
        if (s->operand[i]) limit[i] = s->operand[i];
    }
    if (f->n + 2 > TAP_FINISH_MAX) return false;
    return add(f, TAP_FINISH_LEAST, TAP_FINISH_ONE, limit[0], NULL) &&
           add(f, TAP_FINISH_MOST, TAP_FINISH_ONE, limit[1], NULL);
}

static bool add_stage(const tap_stage *s, tap_dtype dtype, tap_finish *f) {
    static const double zero = 0; /* all bits zero: as float, too */
    switch (s->kind) {
    case TAP_STAGE_SCALE:
        return form_of(s, 0) == TAP_FINISH_BY_COLUMN && form_of(s, 1) == TAP_FINISH_BY_COLUMN &&
               add(f, TAP_FINISH_SCALE, TAP_FINISH_BY_COLUMN, s->operand[0], s->operand[1]);
    case TAP_STAGE_ADD: return add(f, TAP_FINISH_ADD, form_of(s, 0), s->operand[0], NULL);
    case TAP_STAGE_RELU: return add(f, TAP_FINISH_LEAST, TAP_FINISH_ONE, &zero, NULL);
    case TAP_STAGE_CLIP: return s->running == 0 && add_limits(s, dtype, f);
    default: return false;
    }
}

bool tap_finish_stages(const tap_ctx *ctx, tap_finish *f, int *n_applied) {
    int n = 0, k = 0;
    const tap_tensor *y = ctx->out[0];
    const tap_stage *stages = ctx->has_epilogue ? tap_epilogue_stages(ctx, &n) : NULL;
    *f = (tap_finish){.c = y->data};
    if (y->dtype == TAP_FLOAT || y->dtype == TAP_DOUBLE)
        while (k < n && add_stage(&stages[k], y->dtype, f)) k++;
    *n_applied = k;
    return k == n;
}
