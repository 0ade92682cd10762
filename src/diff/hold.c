/* Finding discrete values, and nodes without a way to run in double. */
#include "diff/hold.h"

#include <string.h>

#include "diff/widen.h"

/* Functions with steps whose result is a float. */
static bool is_step(const tap_node *n) {
    static const char *const steps[] = {"Round",  "Floor",           "Ceil",  "Sign", "Hardmax", "Mod",
                                        "Shrink", "ThresholdedRelu", "Unique"};
    if (*n->src->domain != '\0') return false;
    for (size_t i = 0; i < TAP_COUNT_OF(steps); i++)
        if (strcmp(steps[i], n->src->op) == 0) return true;
    return false;
}

static bool is_float_value(const tap_graph *g, tap_vid v) {
    return v != TAP_NO_VALUE &&
           (tap_is_widened(g->values[v].type.dtype) || g->values[v].type.dtype == TAP_DOUBLE);
}

static bool takes_float(const tap_node *n) {
    for (int32_t i = 0; i < n->n_in; i++)
        if (is_float_value(n->graph, n->in[i])) return true;
    return false;
}

static bool gives_discrete(const tap_node *n, int32_t o) {
    if (!n->op || n->op->flags & TAP_SHAPE_ONLY || !takes_float(n) || n->out[o] == TAP_NO_VALUE) return false;
    const tap_type *t = &n->graph->values[n->out[o]].type;
    return is_step(n) ||
           (t->kind == TAP_KIND_TENSOR && t->dtype != TAP_UNDEFINED && !is_float_value(n->graph, n->out[o]) &&
            t->dtype != TAP_COMPLEX64 && t->dtype != TAP_COMPLEX128);
}

/* Whether a body decides on floats: then double precision may take another turn in it. */
static bool body_decides(const tap_graph *g) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        const tap_node *n = g->nodes[i];
        for (int32_t o = 0; o < n->n_out; o++)
            if (gives_discrete(n, o)) return true;
        for (int32_t a = 0; a < n->n_attrs; a++)
            for (size_t k = 0; n->attrs[a].bodies && k < n->attrs[a].src->n; k++)
                if (body_decides(n->attrs[a].bodies[k])) return true;
    }
    return false;
}

static bool decides_inside(const tap_node *n) {
    for (int32_t a = 0; a < n->n_attrs; a++)
        for (size_t k = 0; n->attrs[a].bodies && k < n->attrs[a].src->n; k++)
            if (body_decides(n->attrs[a].bodies[k])) return true;
    return false;
}

/* What gives float32 from what is no float knows nothing of the width of the others. */
static bool makes_float32(const tap_node *n) {
    static const char *const exact[] = {"Cast",           "CastLike",
                                        "Constant",       "ConstantOfShape",
                                        "Range",          "EyeLike",
                                        "HannWindow",     "HammingWindow",
                                        "BlackmanWindow", "MelWeightMatrix",
                                        "RandomNormal",   "RandomUniform",
                                        "Identity",       "If",
                                        "Loop",           "Scan"};
    if (takes_float(n)) return false;
    for (size_t i = 0; i < TAP_COUNT_OF(exact); i++)
        if (*n->src->domain == '\0' && strcmp(exact[i], n->src->op) == 0) return false;
    return true;
}

static bool holds_all(const tap_node *n) {
    return !n->op || n->op->flags & TAP_RANDOM || decides_inside(n) ||
           (*n->src->domain != '\0' && takes_float(n)) || makes_float32(n);
}

static void hold_node(const tap_node *n, uint8_t *held, bool all) {
    for (int32_t o = 0; o < n->n_out; o++)
        if (n->out[o] != TAP_NO_VALUE && (all || gives_discrete(n, o))) held[n->out[o]] = 1;
}

/* Adds nodes that have no kernel in the widened graph, as far as types are known before a run. */
static tap_status hold_unsupported(const tap_lab *lab, const tap_bound *b, uint8_t *held, bool *found,
                                   tap_error *err) {
    tap_arena arena;
    tap_arena_init(&arena, NULL);
    const tap_graph *g = b->main;
    uint8_t *marks = tap_arena_array(&arena, g->n_values + 1, 1);
    tap_src_model wide;
    tap_segment s;
    tap_model *m = NULL;
    tap_error why = TAP_ERROR_INIT;
    *found = false;
    tap_status st = marks ? TAP_OK : tap_error_no_memory(err, g->n_values);
    for (size_t v = 0; st == TAP_OK && v < g->n_values; v++) marks[v] = held[v] ? TAP_CUT_GIVEN : 0;
    for (size_t i = 0; st == TAP_OK && i < g->n_outputs; i++) {
        tap_vid v = g->outputs[i];
        if (v != TAP_NO_VALUE && g->values[v].producer && !held[v]) marks[v] |= TAP_CUT_WANTED;
    }
    if (st == TAP_OK) st = tap_segment_cut(b, &arena, marks, &s, &why);
    if (st == TAP_OK) {
        tap_src_value *in = tap_arena_array(&arena, s.n_in, sizeof *in);
        st = in ? TAP_OK : tap_error_no_memory(err, s.n_in);
        for (size_t i = 0; in && i < s.n_in; i++) {
            in[i] = (tap_src_value){.name = g->values[s.in[i]].full, .has_type = true};
            in[i].type = g->values[s.in[i]].type;
        }
        s.model.graph.inputs = in;
        if (st == TAP_OK && !tap_widen_model(&arena, &s.model, &wide))
            st = tap_error_no_memory(err, sizeof wide);
        if (st == TAP_OK) st = lab->open(&wide, lab->like, lab->memory_limit_bytes, &m, &why);
    }
    if (m) {
        tap_node_info info = {.size = sizeof info};
        for (size_t i = 0; i < tap_model_node_count(m) && tap_model_node(m, i, &info); i++) {
            if (!info.unsupported) continue;
            for (size_t k = 0; k < s.n_nodes; k++)
                if (strcmp(s.nodes[k].name, info.address) == 0) hold_node(s.from[k], held, *found = true);
        }
    } else if (*why.node) {
        for (size_t k = 0; k < s.n_nodes; k++)
            if (strcmp(s.nodes[k].name, why.node) == 0) hold_node(s.from[k], held, *found = true);
    }
    tap_model_free(m);
    tap_arena_clear(&arena);
    return st == TAP_MEMORY ? st : TAP_OK;
}

tap_status tap_find_held(const tap_lab *lab, const tap_bound *b, uint8_t *held, tap_error *err) {
    const tap_graph *g = b->main;
    for (size_t v = 0; v < g->n_values; v++) held[v] = 0;
    for (size_t i = 0; i < g->n_nodes; i++) hold_node(g->nodes[i], held, holds_all(g->nodes[i]));
    bool found = true;
    tap_status st = TAP_OK;
    /* A node that is held may hide another behind it. */
    for (size_t round = 0; found && st == TAP_OK && round < 64; round++)
        st = hold_unsupported(lab, b, held, &found, err);
    return st;
}
