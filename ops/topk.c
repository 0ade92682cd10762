/* TopK: the k largest or smallest elements along an axis. NaN counts as larger than any number; of equals,
 * the one with the lower index comes first. */
#include "common/order.h"
#include "common/scalar.h"
#include "common/shape.h"

typedef struct topk_state {
    int64_t axis, k; /* k: TopK-1 */
    bool smallest;
} topk_state;

static tap_status topk_prepare(tap_ctx *ctx, void **state) {
    topk_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->axis = tap_attr_int(ctx, "axis", -1);
    if (tap_opset(ctx) < 10) {
        s->k = tap_attr_int(ctx, "k", 0);
        if (s->k < 1) return tap_fail(ctx, TAP_MODEL, "attribute k is missing, or less than 1");
    }
    if (tap_opset(ctx) < 11) return TAP_OK;
    s->smallest = tap_attr_int(ctx, "largest", 1) == 0;
    tap_attr_int(ctx, "sorted", 1); /* sorted is one of the orders that sorted = 0 allows */
    return TAP_OK;
}

static tap_status topk_infer(tap_ctx *ctx) {
    const topk_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    const tap_tensor *t = tap_in_known(ctx, 1);
    tap_type y = *x;
    int64_t k = s->k ? s->k : -1;
    int axis;
    tap_status status = tap_need_dtype(ctx, 1, TAP_BIT(TAP_INT64), "K");
    if (status || (status = tap_need_one(ctx, 1, "K"))) return status;
    if (t) k = tap_cut_at(t, 0);
    if (t && k < 0) return tap_fail(ctx, tap_misfit(ctx), "K is %lld", (long long)k);
    if (x->rank >= 0) {
        if (!tap_axis(s->axis, x->rank, &axis))
            return tap_fail(ctx, tap_misfit(ctx), "axis %lld is out of range for rank %d", (long long)s->axis,
                            x->rank);
        if (x->dims[axis] >= 0 && k > x->dims[axis])
            return tap_fail(ctx, tap_misfit(ctx), "K is %lld, but the axis has only %lld elements",
                            (long long)k, (long long)x->dims[axis]);
        y.dims[axis] = k;
    }
    if ((status = tap_out_type(ctx, 0, x->dtype, x->rank, y.dims))) return status;
    return tap_out_type(ctx, 1, TAP_INT64, x->rank, y.dims);
}

/* ---- Choosing ---- */

static bool behind(tap_keyed a, tap_keyed b) {
    return a.key > b.key || (a.key == b.key && a.at > b.at);
}

/* Lets the element at i sink in heap[0..n), whose root is the last in order. */
static void sink(tap_keyed *heap, int64_t n, int64_t i) {
    tap_keyed v = heap[i];
    for (;;) {
        int64_t c = 2 * i + 1;
        if (c >= n) break;
        if (c + 1 < n && behind(heap[c + 1], heap[c])) c++;
        if (!behind(heap[c], v)) break;
        heap[i] = heap[c];
        i = c;
    }
    heap[i] = v;
}

/* Keys that are compared with the heap's last at once: most have none that is before it. */
#define AT_ONCE 16

static uint64_t least_of(const uint64_t *keys) {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < AT_ONCE; i++) least = keys[i] < least ? keys[i] : least;
    return least;
}

static void make_heap(tap_keyed *heap, int64_t n) {
    for (int64_t i = n / 2; i-- > 0;) sink(heap, n, i);
}

/* The first k in order of n keys, as a heap. */
static void fill_heap(const uint64_t *keys, int64_t n, int64_t k, tap_keyed *heap) {
    for (int64_t i = 0; i < k; i++) heap[i] = (tap_keyed){keys[i], i};
    make_heap(heap, k);
    for (int64_t i = k, end; i < n; i = end) {
        end = tap_min64(i + AT_ONCE, n);
        if (end - i == AT_ONCE && least_of(keys + i) >= heap[0].key) continue;
        for (; i < end; i++) {
            if (keys[i] >= heap[0].key) continue;
            heap[0] = (tap_keyed){keys[i], i};
            sink(heap, k, 0);
        }
    }
}

static void sort_heap(tap_keyed *heap, int64_t n) {
    for (int64_t i = n; i-- > 1;) {
        tap_keyed last = heap[i];
        heap[i] = heap[0];
        heap[0] = last;
        sink(heap, i, 0);
    }
}

/* Takes element v, of those *n <= k that are in the heap and it the first k. */
static void take(tap_keyed *heap, int64_t *n, int64_t k, tap_keyed v) {
    if (*n < k) {
        heap[(*n)++] = v;
        if (*n == k) make_heap(heap, k);
    } else if (behind(heap[0], v)) {
        heap[0] = v;
        sink(heap, k, 0);
    }
}

/* Keys of which the least stands for all, at first. */
#define GROUP 16
/* Groups that there are at least for each of the k. */
#define GROUPS 2

/* The same, of many more than k: of groups (of every n / GROUP-th key) only the k with the least keys, and
 * what equals them, can have one of the first k, which are no greater than the greatest of these least keys.
 * least: room for n / GROUP. */
static void fill_heap_by_groups(const uint64_t *keys, int64_t n, int64_t k, tap_keyed *heap,
                                uint64_t *least) {
    const int64_t groups = n / GROUP;
    int64_t taken = 0;
    memcpy(least, keys, (size_t)groups * sizeof *least);
    for (int64_t i = groups; i < groups * GROUP; i += groups)
        for (int64_t g = 0; g < groups; g++) least[g] = keys[i + g] < least[g] ? keys[i + g] : least[g];
    fill_heap(least, groups, k, heap);
    const uint64_t bound = heap[0].key;
    for (int64_t g = 0; g < groups; g++) {
        if (least[g] > bound) continue;
        for (int64_t i = g; i < groups * GROUP; i += groups)
            if (keys[i] <= bound) take(heap, &taken, k, (tap_keyed){keys[i], i});
    }
    for (int64_t i = groups * GROUP; i < n; i++)
        if (keys[i] <= bound) take(heap, &taken, k, (tap_keyed){keys[i], i});
}

static bool has_groups(int64_t n, int64_t k) {
    return n / GROUP / GROUPS >= k;
}

/* The first k in order of n keys, sorted. room: k, and behind that n / GROUP keys. */
static void choose_by_heap(const uint64_t *keys, int64_t n, int64_t k, tap_keyed *room) {
    if (has_groups(n, k))
        fill_heap_by_groups(keys, n, k, room, (uint64_t *)(void *)(room + k));
    else
        fill_heap(keys, n, k, room);
    sort_heap(room, k);
}

/* ---- Running ---- */

typedef struct topk_job {
    const tap_tensor *x;
    tap_tensor *values, *at; /* NULL where absent            */
    int64_t d, k, post;      /* x[pre][d][post]              */
    bool smallest, heap;
    char *room;        /* of all workers               */
    size_t room_bytes; /* of one                       */
} topk_job;

static void topk_row(const topk_job *j, int64_t row, uint64_t *keys, tap_keyed *room) {
    int64_t pre = row / j->post, q = row % j->post;
    size_t width = tap_dtype_bytes(j->x->dtype);
    const char *x = (const char *)j->x->data + (size_t)(pre * j->d * j->post + q) * width;
    int64_t to = pre * j->k * j->post + q;
    tap_keyed *best = room;
    tap_order_keys(j->x->dtype, j->d, x, j->post, keys);
    if (!j->smallest)
        for (int64_t i = 0; i < j->d; i++) keys[i] = ~keys[i];
    if (j->heap) {
        choose_by_heap(keys, j->d, j->k, room);
    } else {
        for (int64_t i = 0; i < j->d; i++) room[i] = (tap_keyed){keys[i], i};
        best = tap_sort_keyed(room, room + j->d, j->d);
    }
    for (int64_t i = 0; i < j->k; i++, to += j->post) {
        if (j->values)
            memcpy((char *)j->values->data + (size_t)to * width, x + (size_t)(best[i].at * j->post) * width,
                   width);
        if (j->at) ((int64_t *)j->at->data)[to] = best[i].at;
    }
}

static void topk_task(void *arg, int64_t begin, int64_t end, int worker) {
    const topk_job *j = arg;
    uint64_t *keys = (uint64_t *)(void *)(j->room + (size_t)worker * j->room_bytes);
    for (int64_t row = begin; row < end; row++) topk_row(j, row, keys, (tap_keyed *)(void *)(keys + j->d));
}

static tap_status topk_run(tap_ctx *ctx) {
    const topk_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    topk_job j = {
        .x = x, .values = ctx->out[0], .at = ctx->n_out > 1 ? ctx->out[1] : NULL, .smallest = s->smallest};
    int axis;
    if (!tap_axis(s->axis, x->rank, &axis)) return tap_fail(ctx, TAP_RUN, "axis out of range");
    j.d = x->dims[axis];
    j.k = s->k ? s->k : tap_cut_at(ctx->in[1], 0);
    j.post = tap_product(x->dims + axis + 1, x->rank - axis - 1);
    if (j.k == 0 || x->count == 0) return TAP_OK;
    j.heap = j.k <= 64 || j.k <= j.d / 16;
    size_t pairs = (size_t)(j.heap ? j.k : 2 * j.d);
    size_t numbers = (size_t)(j.d + j.d / GROUP);
    j.room_bytes = tap_round_up(numbers * sizeof(uint64_t) + pairs * sizeof(tap_keyed), TAP_ALIGN);
    j.room = tap_scratch(ctx, j.room_bytes * (size_t)tap_workers(ctx));
    if (!j.room) return TAP_MEMORY;
    tap_parallel(ctx, x->count / j.d, tap_max64(1, 16384 / j.d), topk_task, &j);
    return TAP_OK;
}

#define TOPK                                                                                               \
    .out_min = 2, .out_max = 2, .dtypes = TAP_TYPES_NUMERIC, .prepare = topk_prepare, .infer = topk_infer, \
    .run = topk_run

#define NOTES                                                                                              \
    .notes = "Of equal elements the one with the lower index comes first. NaN is larger than any number. " \
             "With sorted = 0 the result is sorted, too."

static const tap_op ops[] = {
    {.name = "TopK", .since = 1, .until = 9, .in_min = 1, .in_max = 1, TOPK, NOTES},
    {.name = "TopK", .since = 10, .in_min = 2, .in_max = 2, TOPK, NOTES},
    {0},
};

TAP_DEFINE_FAMILY(topk, ops);
