/* NonMaxSuppression: of overlapping boxes, the one with the best score. */
#include "common/order.h"
#include "common/scalar.h"
#include "common/shape.h"

typedef struct nms_state {
    bool center; /* boxes are x, y of the centre, width, height; else y, x of two corners */
} nms_state;

static tap_status nms_prepare(tap_ctx *ctx, void **state) {
    nms_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    int64_t format = tap_attr_int(ctx, "center_point_box", 0);
    if (format != 0 && format != 1)
        return tap_fail(ctx, TAP_MODEL, "center_point_box is %lld", (long long)format);
    s->center = format == 1;
    return TAP_OK;
}

/* An optional number; an empty tensor counts as absent. */
static tap_status one_number(tap_ctx *ctx, int i, tap_dtype dtype, const char *what) {
    tap_status status = tap_need_dtype(ctx, i, TAP_BIT(dtype), what);
    return status || tap_in_count(ctx, i) == 0 ? status : tap_need_one(ctx, i, what);
}

static tap_status nms_infer(tap_ctx *ctx) {
    const tap_type *boxes = tap_in_type(ctx, 0), *scores = tap_in_type(ctx, 1);
    tap_status status = tap_need_rank(ctx, 0, 3, 3, "boxes");
    if (!status) status = tap_need_rank(ctx, 1, 3, 3, "scores");
    if (!status) status = tap_need_dtype(ctx, 1, TAP_BIT(TAP_FLOAT), "scores");
    if (!status) status = one_number(ctx, 2, TAP_INT64, "max_output_boxes_per_class");
    if (!status) status = one_number(ctx, 3, TAP_FLOAT, "iou_threshold");
    if (!status) status = one_number(ctx, 4, TAP_FLOAT, "score_threshold");
    if (status) return status;
    if (boxes->rank == 3 && boxes->dims[2] >= 0 && boxes->dims[2] != 4)
        return tap_fail(ctx, tap_misfit(ctx), "a box has 4 numbers, not %lld", (long long)boxes->dims[2]);
    for (int i = 0; i < 2 && boxes->rank == 3 && scores->rank == 3; i++) {
        int64_t n = boxes->dims[i], m = scores->dims[2 * i];
        if (n >= 0 && m >= 0 && n != m)
            return tap_fail(ctx, tap_misfit(ctx), "boxes and scores are for %lld and %lld %s", (long long)n,
                            (long long)m, i ? "boxes" : "images");
    }
    return tap_out_type(ctx, 0, TAP_INT64, 2, (int64_t[]){-1, 3});
}

/* ---- Running ---- */

typedef struct box {
    float x0, y0, x1, y1, area;
} box;

typedef struct nms {
    bool center, has_score;
    const float *boxes, *scores;
    float iou, score;
    int64_t most, n, classes;  /* boxes to select per class; boxes */
    int64_t *selected, *found; /* selected[batch * classes][min(most, n)], found[batch * classes] */
    char *room;
    size_t room_bytes; /* of a worker */
} nms;

static void order(float *a, float *b) {
    float t = *a;
    if (*a < *b) return;
    *a = *b;
    *b = t;
}

static box box_at(const nms *j, const float *p) {
    box b = {p[1], p[0], p[3], p[2], 0};
    if (j->center) {
        b = (box){p[0] - p[2] / 2, p[1] - p[3] / 2, p[0] + p[2] / 2, p[1] + p[3] / 2, 0};
    } else {
        order(&b.x0, &b.x1);
        order(&b.y0, &b.y1);
    }
    b.area = (b.x1 - b.x0) * (b.y1 - b.y0);
    return b;
}

static bool overlaps(const box *a, const box *b, float threshold) {
    float w = (a->x1 < b->x1 ? a->x1 : b->x1) - (a->x0 > b->x0 ? a->x0 : b->x0);
    float h = (a->y1 < b->y1 ? a->y1 : b->y1) - (a->y0 > b->y0 ? a->y0 : b->y0);
    if (!(w > 0) || !(h > 0)) return false;
    float common = w * h, all = a->area + b->area - common;
    if (!(common > 0) || !(a->area > 0) || !(b->area > 0) || !(all > 0)) return false;
    return common / all > threshold;
}

/* The boxes of one class, best first; of equal scores the lower index; NaN last. Returns how many pass the
 * threshold. */
static int64_t rank_boxes(const nms *j, const float *scores, tap_keyed *p, tap_keyed **sorted) {
    int64_t n = 0;
    for (int64_t i = 0; i < j->n; i++) {
        if (j->has_score && !(scores[i] > j->score)) continue;
        p[n++] = (tap_keyed){scores[i] != scores[i] ? UINT64_MAX : ~tap_key_of_double((double)scores[i]), i};
    }
    *sorted = tap_sort_keyed(p, p + j->n, n);
    return n;
}

/* Selects for unit = batch * classes + class. */
static void select_boxes(const nms *j, int64_t unit, tap_keyed *room, box *kept) {
    const float *boxes = j->boxes + unit / j->classes * j->n * 4;
    int64_t *selected = j->selected + unit * j->most, found = 0;
    tap_keyed *sorted;
    int64_t n = rank_boxes(j, j->scores + unit * j->n, room, &sorted);
    for (int64_t i = 0; i < n && found < j->most; i++) {
        box b = box_at(j, boxes + sorted[i].at * 4);
        int64_t k = 0;
        while (k < found && !overlaps(&b, &kept[k], j->iou)) k++;
        if (k < found) continue;
        kept[found] = b;
        selected[found++] = sorted[i].at;
    }
    j->found[unit] = found;
}

static void nms_task(void *arg, int64_t begin, int64_t end, int worker) {
    const nms *j = arg;
    tap_keyed *room = (tap_keyed *)(void *)(j->room + (size_t)worker * j->room_bytes);
    for (int64_t unit = begin; unit < end; unit++)
        select_boxes(j, unit, room, (box *)(void *)(room + 2 * j->n));
}

static tap_status put_result(tap_ctx *ctx, const nms *j, int64_t units) {
    int64_t all = 0;
    for (int64_t u = 0; u < units; u++) all += j->found[u];
    tap_tensor *y = tap_out(ctx, 0, TAP_INT64, 2, (int64_t[]){all, 3});
    if (!y) return TAP_MEMORY;
    int64_t *p = y->data;
    for (int64_t u = 0; u < units; u++)
        for (int64_t i = 0; i < j->found[u]; i++, p += 3) {
            p[0] = u / j->classes;
            p[1] = u % j->classes;
            p[2] = j->selected[u * j->most + i];
        }
    return TAP_OK;
}

static const tap_tensor *option(const tap_ctx *ctx, int i) {
    const tap_tensor *t = i < ctx->n_in ? ctx->in[i] : NULL;
    return t && t->count == 1 ? t : NULL;
}

static tap_status nms_run(tap_ctx *ctx) {
    const nms_state *s = ctx->state;
    const tap_tensor *boxes = ctx->in[0], *scores = ctx->in[1], *most = option(ctx, 2), *iou = option(ctx, 3);
    const tap_tensor *score = option(ctx, 4);
    int64_t units = scores->dims[0] * scores->dims[1];
    nms j = {.center = s->center,
             .has_score = score != NULL,
             .boxes = boxes->data,
             .scores = scores->data,
             .n = boxes->dims[1],
             .classes = scores->dims[1]};
    j.iou = iou ? (float)tap_real_at(iou, 0) : 0;
    j.score = score ? (float)tap_real_at(score, 0) : 0;
    j.most = tap_max64(0, tap_min64(most ? tap_cut_at(most, 0) : 0, j.n));
    if (!(j.iou >= 0 && j.iou <= 1))
        return tap_fail(ctx, TAP_RUN, "iou_threshold is %g, not from 0 to 1", (double)j.iou);
    j.room_bytes =
        tap_round_up((size_t)j.n * 2 * sizeof(tap_keyed) + (size_t)j.most * sizeof(box), TAP_ALIGN);
    j.selected = tap_scratch(ctx, (size_t)units * (size_t)j.most * sizeof *j.selected);
    j.found = tap_scratch(ctx, (size_t)units * sizeof *j.found);
    j.room = tap_scratch(ctx, j.room_bytes * (size_t)tap_workers(ctx));
    if (!j.selected || !j.found || !j.room) return TAP_MEMORY;
    tap_parallel(ctx, units, 1, nms_task, &j);
    return put_result(ctx, &j, units);
}

static const tap_op ops[] = {
    {.name = "NonMaxSuppression",
     .since = 10,
     .in_min = 2,
     .in_max = 5,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_BIT(TAP_FLOAT),
     .prepare = nms_prepare,
     .infer = nms_infer,
     .run = nms_run},
    {0},
};

TAP_DEFINE_FAMILY(nms, ops);
