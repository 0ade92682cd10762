/* Tapped values on their way to a listener, or kept for the program. */
#include <string.h>

#include "core/permute.h"
#include "run/plan.h"

/* Decimal digits of n >= 0 at *at, which moves behind them. */
static void put_number(char **at, int64_t n) {
    char digits[24];
    int k = 0;
    do digits[k++] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    while (k > 0) *(*at)++ = digits[--k];
}

/* "loop/body/v[3,0]": the value's path and the iterations of the bodies around it. */
static const char *name_now(tap_session *s, const char *full) {
    size_t n = strlen(full), room = n + 24 * s->n_iterations + 8;
    char *name = tap_scratch_take(&s->scratch, room), *at = name;
    if (!name) return NULL;
    memcpy(at, full, n);
    at += n;
    for (size_t i = 0; i < s->n_iterations; i++) {
        *at++ = i ? ',' : '[';
        put_number(&at, s->iterations[i]);
    }
    *at++ = ']';
    *at = '\0';
    return name;
}

/* A tensor that its node made channels-last, with room for its elements as ONNX has them. They are put there
 * when somebody reads them: to convert every value of a model costs as much as a convolution or two. */
typedef struct late {
    tap_buffer buffer; /* first: the tensor's buffer is the address of this */
    tap_frame *frame;
    const tap_tensor *from;
    void *room;
} late;

static void fill(tap_tensor *t) {
    late *l = (late *)t->buffer;
    int perm[TAP_RANK_MAX];
    tap_move m;
    tap_perm_to_channels_first(t->rank, perm);
    tap_permute_plan(&m, tap_dtype_bytes(t->dtype), t->rank, l->from->dims, perm);
    tap_frame_move(l->frame, &m, l->from->data, l->room);
    t->data = l->room;
    t->buffer = NULL;
}

/* Of dims as many as there are: a copy of all of them would be most of what a tap costs. */
static void copy_tensor(tap_tensor *to, const tap_tensor *from) {
    to->dtype = from->dtype;
    to->rank = from->rank;
    to->count = from->count;
    to->data = from->data;
    to->buffer = from->buffer;
    for (int i = 0; i < from->rank; i++) to->dims[i] = from->dims[i];
}

/* The tensor as ONNX has it. l: lives as long as *out is looked at. */
static tap_status plain_tensor(tap_frame *f, const tap_slot *s, const tap_slot *last, late *l,
                               tap_tensor *out, tap_error *err) {
    if (!s->made_channels_last) {
        copy_tensor(out, &s->tensor);
        return TAP_OK;
    }
    tap_type t = tap_slot_now(last);
    if (!tap_tensor_shape(out, last->tensor.dtype, t.rank, t.dims))
        return tap_error_set(err, TAP_RUN, "a shape overflows");
    *l = (late){.buffer = {.fill = fill}, .frame = f, .from = &last->tensor};
    l->room = tap_scratch_take(&f->session->scratch, tap_tensor_bytes(out));
    if (!l->room) return tap_error_no_memory(err, tap_tensor_bytes(out));
    out->data = NULL;
    out->buffer = &l->buffer;
    return TAP_OK;
}

static bool is_tensor(const tap_slot *s) {
    return (s->made_channels_last ? s->images_last : s)->kind == TAP_KIND_TENSOR;
}

/* From the order in which elements lie to ONNX's. */
static const int32_t *order_of(const tap_slot *s, int rank, int32_t *perm) {
    int first[TAP_RANK_MAX];
    if (s->made_channels_last) tap_perm_to_channels_first(rank, first);
    for (int i = 0; i < rank; i++) perm[i] = s->made_channels_last ? first[i] : i;
    return perm;
}

static tap_status cancelled(tap_error *err, const char *name) {
    tap_error_set(err, TAP_CANCELLED, "the run was cancelled at value '%s'", name);
    tap_error_where(err, NULL, NULL, name);
    return TAP_CANCELLED;
}

static tap_status tell_listener(tap_frame *f, tap_show *w, tap_error *err) {
    tap_session *se = f->session;
    tap_event *e = &w->event;
    e->ask = true;
    e->value = NULL;
    e->tensor = NULL;
    e->lying = NULL;
    e->perm = NULL;
    int answer = se->listener(e, se->listener_user);
    if (answer == TAP_STOP) return cancelled(err, e->name);
    if (answer != TAP_WANT) return TAP_OK;
    tap_status st = TAP_OK;
    late l;
    int32_t perm[TAP_RANK_MAX];
    e->ask = false;
    e->value = w->slot->value;
    if (is_tensor(w->slot)) {
        st = plain_tensor(f, w->slot, w->slot->images_last, &l, &w->around.tensor, err);
        e->value = &w->around;
        e->tensor = &w->around.tensor;
        e->lying = w->slot->made_channels_last ? &w->slot->images_last->tensor : e->tensor;
        e->perm = order_of(w->slot, e->tensor->rank, perm);
    }
    if (st != TAP_OK) return st;
    return se->listener(e, se->listener_user) == TAP_STOP ? cancelled(err, e->name) : TAP_OK;
}

static tap_status keep(tap_frame *f, const tap_show *w, tap_error *err) {
    tap_session *se = f->session;
    tap_budget *b = &se->model->budget;
    if (!tap_mem_reserve(b, (void **)&se->kept, &se->room_kept, se->n_kept + 1, sizeof *se->kept))
        return tap_error_no_memory(err, sizeof *se->kept);
    tap_kept *k = &se->kept[se->n_kept];
    tap_tensor t;
    late l;
    tap_status st = TAP_OK;
    *k = (tap_kept){.index = w->event.index};
    if (is_tensor(w->slot)) {
        st = plain_tensor(f, w->slot, w->slot->images_last, &l, &t, err);
        if (st == TAP_OK) k->value = tap_tensor_make_copy(b, &t);
        if (st == TAP_OK && !k->value) return tap_error_no_memory(err, tap_tensor_bytes(&t));
    } else if (w->slot->value) {
        k->value = tap_value_make_copy(b, w->slot->value);
        if (!k->value) return tap_error_no_memory(err, 0);
    }
    if (st != TAP_OK) return st;
    size_t n = strlen(w->event.name) + 1;
    k->name = tap_mem_alloc(b, n);
    if (!k->name) {
        tap_value_release(k->value);
        return tap_error_no_memory(err, n);
    }
    memcpy(k->name, w->event.name, n);
    se->n_kept++;
    return TAP_OK;
}

void tap_show_init(tap_show *w, tap_frame *f, tap_plan *p, tap_vid v) {
    const tap_gvalue *x = &f->graph->values[v];
    w->v = v;
    w->slot = tap_plan_slot(p, v);
    w->event = (tap_event){.size = sizeof w->event,
                           .index = (size_t)x->global,
                           .name = x->full,
                           .node = x->producer ? x->producer->address : "",
                           .op = x->producer ? x->producer->src->op : ""};
    w->around.kind = TAP_KIND_TENSOR;
}

tap_status tap_show_value(tap_frame *f, tap_show *w, tap_error *err) {
    tap_session *se = f->session;
    tap_slot *s = w->slot;
    if (s->place == TAP_AT_CONST && !s->tensor.data && !s->value && !tap_slot_load(f, w->v, s))
        return tap_error_no_memory(err, 0);
    tap_scratch_mark mark = tap_scratch_here(&se->scratch);
    if (se->n_iterations && f->graph->parent) w->event.name = name_now(se, f->graph->values[w->v].full);
    w->event.iterations = se->iterations;
    w->event.n_iterations = se->n_iterations;
    tap_status st = TAP_OK;
    if (!w->event.name)
        st = tap_error_no_memory(err, 64);
    else
        st = se->listener ? tell_listener(f, w, err) : keep(f, w, err);
    tap_scratch_back(&se->scratch, mark);
    return st;
}
