/* Slots: where a value lies. */
#include <string.h>

#include "run/plan.h"

static const tap_type unknown = {.rank = -1};

/* Puts s into the plan's list. */
static void enlist(tap_plan *p, tap_slot *s, tap_vid v) {
    s->value_id = v;
    s->number = (int32_t)p->n_slots++;
    s->root = s;
    s->type = &unknown;
    if (p->last_slot)
        p->last_slot->next = s;
    else
        p->slots = s;
    p->last_slot = s;
}

bool tap_plan_make_slots(tap_plan *p) {
    p->plain = tap_arena_array(&p->memory, p->n_values, sizeof *p->plain);
    for (size_t v = 0; p->plain && v < p->n_values; v++) enlist(p, &p->plain[v], (tap_vid)v);
    return p->plain != NULL;
}

static tap_slot *other_form(tap_plan *p, tap_vid v, tap_slot **form) {
    if (!*form && (*form = tap_arena_zero(&p->memory, sizeof **form))) enlist(p, *form, v);
    return *form;
}

tap_slot *tap_plan_slot_last(tap_plan *p, tap_vid v) {
    tap_slot *s = other_form(p, v, &p->plain[v].images_last);
    if (s) s->channels_last = true;
    return s;
}

tap_slot *tap_plan_slot_vector(tap_plan *p, tap_vid v) {
    return other_form(p, v, &p->plain[v].vector);
}

static bool same_type(const tap_type *a, const tap_type *b) {
    if (a->kind != b->kind || a->dtype != b->dtype || a->rank != b->rank || a->elem != b->elem) return false;
    return a->rank <= 0 || memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

bool tap_slot_set_type(tap_plan *p, tap_slot *slot, const tap_type *type, const tap_type *like) {
    slot->type = like;
    if (like && same_type(type, like)) return true;
    tap_type *copy = tap_arena_alloc(&p->memory, sizeof *copy);
    if (copy) *copy = *type;
    slot->type = copy ? copy : &unknown;
    return copy != NULL;
}

bool tap_slot_shape(tap_slot *slot, const tap_type *type) {
    int64_t dims[TAP_RANK_MAX];
    int r = type->rank;
    if (!slot->channels_last || r < 3) return tap_tensor_shape(&slot->tensor, type->dtype, r, type->dims);
    dims[0] = type->dims[0];
    for (int k = 2; k < r; k++) dims[k - 1] = type->dims[k];
    dims[r - 1] = type->dims[1];
    return tap_tensor_shape(&slot->tensor, type->dtype, r, dims);
}

static tap_buffer *make_buffer(tap_session *s, size_t n_bytes) {
    return s->ahead ? tap_buffer_new(&s->model->budget, n_bytes) : tap_buffers_take(&s->buffers, n_bytes);
}

tap_value *tap_session_make(tap_session *s, tap_dtype dtype, int rank, const int64_t *dims) {
    tap_tensor t;
    if (!tap_tensor_shape(&t, dtype, rank, dims)) return NULL;
    size_t n_bytes = tap_tensor_bytes(&t);
    t.buffer = make_buffer(s, n_bytes);
    if (!t.buffer) return NULL;
    t.data = t.buffer->data;
    if (dtype == TAP_STRING) memset(t.data, 0, n_bytes);
    tap_value *v = tap_value_share(&s->model->budget, &t);
    tap_buffer_release(t.buffer);
    return v;
}

bool tap_slot_make(tap_session *s, tap_slot *slot, const tap_type *type) {
    tap_slot_clear(slot);
    if (!tap_slot_shape(slot, type)) return false;
    size_t n_bytes = (size_t)slot->tensor.count * tap_dtype_bytes(type->dtype);
    slot->held = make_buffer(s, n_bytes);
    if (!slot->held) return false;
    slot->tensor.buffer = slot->held;
    slot->tensor.data = slot->held->data;
    if (type->dtype == TAP_STRING) memset(slot->tensor.data, 0, n_bytes);
    slot->kind = TAP_KIND_TENSOR;
    return true;
}

void tap_slot_clear(tap_slot *slot) {
    if (slot->held) tap_buffer_release(slot->held);
    if (slot->value) tap_value_release(slot->value);
    slot->held = NULL;
    slot->value = NULL;
    slot->tensor.buffer = NULL;
    slot->kind = TAP_KIND_NONE;
    slot->made_absent = false;
}

bool tap_slot_load(tap_frame *f, tap_vid v, tap_slot *slot) {
    tap_model *m = f->session->model;
    pthread_mutex_lock(&m->lock);
    tap_gvalue *src = tap_constant_source(f->graph, v);
    bool first = src && src->stored && !src->constant;
    tap_value *c = src ? tap_graph_constant(&m->bound, src) : NULL;
    if (c && first && c->tensor.data != src->stored->data) tap_model_forget(m, src->stored);
    pthread_mutex_unlock(&m->lock);
    if (!c) return false;
    if (c->kind == TAP_KIND_TENSOR)
        slot->tensor = c->tensor;
    else if (!slot->value)
        tap_value_retain(slot->value = c);
    slot->kind = c->kind;
    return true;
}
