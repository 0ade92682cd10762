/* Tapped values on their way to a listener, or kept for the program. */
#include <inttypes.h>
#include <string.h>

#include "core/permute.h"
#include "run/plan.h"

/* "loop/body/v[3,0]": the value's path and the iterations of the bodies around it. */
static const char *name_now(tap_session *s, const tap_gvalue *v, const tap_graph *g) {
    if (!g->parent || !s->n_iterations) return v->full;
    size_t room = strlen(v->full) + 24 * s->n_iterations + 8;
    char *name = tap_scratch_take(&s->scratch, room);
    if (!name) return NULL;
    tap_text t = {name, room, 0};
    name[0] = '\0';
    tap_text_add(&t, "%s", v->full);
    for (size_t i = 0; i < s->n_iterations; i++)
        tap_text_add(&t, "%s%" PRId64, i ? "," : "[", s->iterations[i]);
    tap_text_add(&t, "]");
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

/* The tensor as ONNX has it. l: lives as long as *out is looked at. */
static tap_status plain_tensor(tap_frame *f, const tap_slot *s, const tap_slot *cl, late *l, tap_tensor *out,
                               tap_error *err) {
    if (!s->made_channels_last) {
        *out = s->tensor;
        return TAP_OK;
    }
    const tap_type *t = cl->is_static ? &cl->type : &cl->now;
    if (!tap_tensor_shape(out, cl->tensor.dtype, t->rank, t->dims))
        return tap_error_set(err, TAP_RUN, "a shape overflows");
    *l = (late){.buffer = {.fill = fill}, .frame = f, .from = &cl->tensor};
    l->room = tap_scratch_take(&f->session->scratch, tap_tensor_bytes(out));
    if (!l->room) return tap_error_no_memory(err, tap_tensor_bytes(out));
    out->data = NULL;
    out->buffer = &l->buffer;
    return TAP_OK;
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

static tap_status tell_listener(tap_frame *f, tap_event *e, tap_slot *s, tap_slot *cl, tap_error *err) {
    tap_session *se = f->session;
    e->ask = true;
    int answer = se->listener(e, se->listener_user);
    if (answer == TAP_STOP) return cancelled(err, e->name);
    if (answer != TAP_WANT) return TAP_OK;
    tap_value around = {.kind = TAP_KIND_TENSOR};
    tap_status st = TAP_OK;
    late l;
    e->ask = false;
    e->value = s->value;
    int32_t perm[TAP_RANK_MAX];
    if ((s->made_channels_last ? cl : s)->kind == TAP_KIND_TENSOR) {
        st = plain_tensor(f, s, cl, &l, &around.tensor, err);
        e->value = &around;
        e->tensor = &around.tensor;
        e->lying = s->made_channels_last ? &cl->tensor : &around.tensor;
        e->perm = order_of(s, around.tensor.rank, perm);
    }
    if (st != TAP_OK) return st;
    return se->listener(e, se->listener_user) == TAP_STOP ? cancelled(err, e->name) : TAP_OK;
}

static tap_status keep(tap_frame *f, const tap_event *e, tap_slot *s, tap_slot *cl, tap_error *err) {
    tap_session *se = f->session;
    tap_budget *b = &se->model->budget;
    if (!tap_mem_reserve(b, (void **)&se->kept, &se->room_kept, se->n_kept + 1, sizeof *se->kept))
        return tap_error_no_memory(err, sizeof *se->kept);
    tap_kept *k = &se->kept[se->n_kept];
    tap_tensor t;
    late l;
    tap_status st = TAP_OK;
    *k = (tap_kept){.index = e->index};
    if ((s->made_channels_last ? cl : s)->kind == TAP_KIND_TENSOR) {
        st = plain_tensor(f, s, cl, &l, &t, err);
        if (st == TAP_OK) k->value = tap_tensor_make_copy(b, &t);
        if (st == TAP_OK && !k->value) return tap_error_no_memory(err, tap_tensor_bytes(&t));
    } else if (s->value) {
        k->value = tap_value_make_copy(b, s->value);
        if (!k->value) return tap_error_no_memory(err, 0);
    }
    if (st != TAP_OK) return st;
    size_t n = strlen(e->name) + 1;
    k->name = tap_mem_alloc(b, n);
    if (!k->name) {
        tap_value_release(k->value);
        return tap_error_no_memory(err, n);
    }
    memcpy(k->name, e->name, n);
    se->n_kept++;
    return TAP_OK;
}

tap_status tap_show_value(tap_frame *f, tap_vid v, tap_error *err) {
    tap_session *se = f->session;
    const tap_gvalue *x = &f->graph->values[v];
    tap_slot *s = tap_plan_slot(f->plan, v), *cl = tap_plan_slot_cl(f->plan, v);
    if (s->place == TAP_AT_CONST && !s->tensor.data && !s->value && !tap_slot_load(f, v, s))
        return tap_error_no_memory(err, 0);
    tap_scratch_mark mark = tap_scratch_here(&se->scratch);
    tap_event e = {.size = sizeof e, .index = (size_t)x->global};
    e.name = name_now(se, x, f->graph);
    e.node = x->producer ? x->producer->address : "";
    e.op = x->producer ? x->producer->src->op : "";
    e.iterations = se->iterations;
    e.n_iterations = se->n_iterations;
    tap_status st = TAP_OK;
    if (!e.name) st = tap_error_no_memory(err, 64);
    if (st == TAP_OK) st = se->listener ? tell_listener(f, &e, s, cl, err) : keep(f, &e, s, cl, err);
    tap_scratch_back(&se->scratch, mark);
    return st;
}
