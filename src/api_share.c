/* Weights that a model has in common with one before it, such as the last checkpoint: found by their bytes,
 * held once. */
#include "api_share.h"

#include <string.h>

#include "core/error.h"
#include "core/map.h"
#include "core/mapping.h"
#include "run/packed.h"

#define COMPARED_MOST (1 << 20) /* pairs of initializers whose names differ */

/* ---- Initializers ---- */

typedef struct sharing {
    tap_model *m;
    const tap_model *like;
    tap_map by_name; /* like's initializers: position + 1 */
    size_t compared;
} sharing;

static bool are_equal(const tap_src_tensor *a, const tap_src_tensor *b) {
    return a->dtype == b->dtype && a->rank == b->rank && a->n_bytes == b->n_bytes &&
           a->encoding == b->encoding && a->dtype != TAP_STRING && !a->missing && !b->missing &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0 &&
           memcmp(a->data, b->data, a->n_bytes) == 0;
}

/* The one of that name, or else the first that is equal: exporters number constants as they come. */
static const tap_src_tensor *find_equal(sharing *s, const tap_src_tensor *t) {
    const tap_src_graph *g = &s->like->src.graph;
    int32_t at = tap_map_get(&s->by_name, t->name, 0);
    if (at > 0) return are_equal(t, &g->inits[at - 1]) ? &g->inits[at - 1] : NULL;
    for (size_t i = 0; i < g->n_inits && s->compared < COMPARED_MOST; i++, s->compared++)
        if (are_equal(t, &g->inits[i])) return &g->inits[i];
    return NULL;
}

/* What the file itself says of it stays unread from now on. */
static bool share(sharing *s, tap_src_tensor *t, const tap_src_tensor *other) {
    const tap_mapping *where = tap_mapping_of(s->like->mappings, other->data, other->n_bytes);
    if (!where || !tap_mapping_of(s->m->mappings, t->data, t->n_bytes)) return true;
    if (!tap_mapping_of(s->m->mappings, other->data, other->n_bytes) &&
        !tap_map_share(where, &s->m->arena, &s->m->mappings))
        return false;
    tap_mapping_let_go(t->data, t->n_bytes);
    t->data = other->data;
    t->shared = true;
    return true;
}

static bool are_intact(const tap_model *m) {
    for (const tap_mapping *x = m->mappings; x; x = x->next)
        if (!tap_mapping_is_intact(x)) return false;
    return true;
}

tap_status tap_share_initializers(tap_model *m, tap_model *like, tap_error *err) {
    sharing s = {.m = m, .like = like};
    const tap_src_graph *g = &m->src.graph, *other = &like->src.graph;
    bool good = true;
    /* A file that was written over since would be read past its end. */
    if (!are_intact(like)) return TAP_OK;
    tap_map_init(&s.by_name, &m->budget);
    for (size_t i = 0; good && i < other->n_inits; i++)
        good = tap_map_put(&s.by_name, other->inits[i].name, (int32_t)i + 1);
    for (size_t i = 0; good && i < g->n_inits; i++) {
        tap_src_tensor *t = (tap_src_tensor *)(uintptr_t)&g->inits[i];
        const tap_src_tensor *equal = find_equal(&s, t);
        if (equal) good = share(&s, t, equal);
    }
    tap_map_free(&s.by_name);
    return good ? TAP_OK : tap_error_no_memory(err, g->n_inits * sizeof(tap_map_slot));
}

/* ---- Packed forms ---- */

static bool same_strings(size_t n, const tap_string *a, const tap_string *b) {
    for (size_t i = 0; i < n; i++)
        if (a[i].n != b[i].n || (a[i].n > 0 && memcmp(a[i].s, b[i].s, a[i].n) != 0)) return false;
    return true;
}

static bool same_attribute(const tap_src_attr *a, const tap_src_attr *b) {
    if (strcmp(a->name, b->name) != 0 || a->kind != b->kind || a->n != b->n) return false;
    switch (a->kind) {
    case TAP_ATTR_FLOAT: return memcmp(&a->u.f, &b->u.f, sizeof a->u.f) == 0;
    case TAP_ATTR_INT: return a->u.i == b->u.i;
    case TAP_ATTR_STRING: return same_strings(1, &a->u.s, &b->u.s);
    case TAP_ATTR_FLOATS: return a->n == 0 || memcmp(a->u.floats, b->u.floats, a->n * sizeof(float)) == 0;
    case TAP_ATTR_INTS: return a->n == 0 || memcmp(a->u.ints, b->u.ints, a->n * sizeof(int64_t)) == 0;
    case TAP_ATTR_STRINGS: return same_strings(a->n, a->u.strings, b->u.strings);
    default: return false;
    }
}

static bool same_node(const tap_node *a, const tap_node *b) {
    if (!a->op || a->op != b->op || a->opset != b->opset || a->n_attrs != b->n_attrs || a->n_in != b->n_in ||
        a->n_out != b->n_out)
        return false;
    for (int32_t i = 0; i < a->n_attrs; i++)
        if (!same_attribute(a->attrs[i].src, b->attrs[i].src)) return false;
    for (int32_t i = 0; i < a->n_in; i++) {
        bool absent = a->in[i] == TAP_NO_VALUE;
        if (absent != (b->in[i] == TAP_NO_VALUE)) return false;
        if (!absent && a->graph->values[a->in[i]].type.dtype != b->graph->values[b->in[i]].type.dtype)
            return false;
    }
    return true;
}

/* Nodes at the same place: other than the order of constants, exporters write the same graph each time. */
tap_status tap_share_packed(tap_model *m, tap_model *like, tap_error *err) {
    bool good = true;
    pthread_mutex_lock(&like->lock);
    for (size_t i = 0; good && i < m->n_all_nodes && i < like->n_all_nodes; i++) {
        tap_node *n = m->all_nodes[i];
        if (n->op && n->op->pack && same_node(n, like->all_nodes[i]))
            good = tap_packed_offer(m, n, like->all_nodes[i]);
    }
    pthread_mutex_unlock(&like->lock);
    return good ? TAP_OK : tap_error_no_memory(err, m->n_all_nodes);
}
