/* The calls of modules that a graph was made from, as a tree. */
#include "graph/layer_tree.h"

#include <stdlib.h>
#include <string.h>

/* ---- Modules ---- */

static int32_t new_module(tap_layer_tree *t, tap_arena *a, int32_t parent, const char *piece) {
    if (t->n == t->room) {
        size_t room = t->room ? 2 * t->room : 64;
        tap_module *wider = tap_arena_array(a, room, sizeof *wider);
        if (!wider || t->n > INT32_MAX / 4) return -1;
        if (t->n) memcpy(wider, t->modules, t->n * sizeof *wider);
        t->modules = wider;
        t->room = room;
    }
    const char *around = parent < 0 ? "" : t->modules[parent].raw;
    tap_module *m = &t->modules[t->n];
    *m = (tap_module){.parent = parent, .piece = piece, .first = -1, .last = -1, .pooler = -1, .carrier = -1};
    m->raw = tap_arena_printf(a, "%s%s%s", around, *around ? "/" : "", piece);
    if (!m->raw) return -1;
    if (parent >= 0) t->modules[parent].n_inner++;
    const char *dot = strrchr(piece, '.');
    if (parent >= 0 && strcmp(dot ? dot + 1 : piece, "pooler") == 0)
        t->modules[parent].pooler = (int32_t)t->n;
    return (int32_t)t->n++;
}

static bool enter(tap_layer_tree *t, tap_arena *a, const tap_path *p, bool made, int32_t *out) {
    int32_t at = -1;
    for (size_t i = 0; i < p->n; i++) {
        const char *around = at < 0 ? "" : t->modules[at].raw;
        const char *raw = tap_arena_printf(a, "%s%s%s", around, *around ? "/" : "", p->pieces[i]);
        if (!raw) return false;
        int32_t m = tap_map_get(&t->by_raw, raw, -1);
        if (m < 0) {
            m = new_module(t, a, at, p->pieces[i]);
            if (m < 0 || !tap_map_put(&t->by_raw, t->modules[m].raw, m)) return false;
            t->modules[m].merged_away = made;
        }
        at = m;
    }
    *out = at;
    return true;
}

bool tap_module_has(const tap_layer_tree *t, int32_t m, int32_t inner) {
    while (inner >= 0 && inner != m) inner = t->modules[inner].parent;
    return inner == m && m >= 0;
}

/* ---- Nodes into modules ---- */

/* What is open while the nodes pass in order: torch.export does not number calls, a module that is entered
 * again is called again. */
typedef struct open_modules {
    int32_t at[64];
    size_t n;
} open_modules;

static bool pass(tap_layer_tree *t, tap_arena *a, open_modules *o, const tap_path *p, const tap_path *kinds,
                 int32_t *out) {
    size_t same = 0;
    while (same < o->n && same < p->n && strcmp(t->modules[o->at[same]].piece, p->pieces[same]) == 0) same++;
    o->n = same;
    for (; o->n < p->n && o->n < TAP_COUNT_OF(o->at); o->n++) {
        int32_t m = new_module(t, a, o->n ? o->at[o->n - 1] : -1, p->pieces[o->n]);
        if (m < 0) return false;
        t->modules[m].kind = o->n < kinds->n ? kinds->pieces[o->n] : NULL;
        o->at[o->n] = m;
    }
    *out = o->n ? o->at[o->n - 1] : -1;
    return true;
}

static bool place_nodes(const tap_bound *b, tap_arena *a, tap_layer_tree *t) {
    open_modules open = {.n = 0};
    for (size_t i = 0; i < b->main->n_nodes; i++) {
        tap_path p, kinds;
        const tap_node *n = b->main->nodes[i];
        if (!tap_path_of_node(t->dialect, n, a, &p) || !tap_kinds_of_node(t->dialect, n, a, &kinds))
            return false;
        if (t->dialect != TAP_DIALECT_FX) {
            if (!enter(t, a, &p, false, &t->of_node[i])) return false;
        } else if (n->src->n_metadata && !pass(t, a, &open, &p, &kinds, &t->of_node[i])) {
            return false;
        }
    }
    return true;
}

/* Modules that only names of groups remember: TFLite runs several as one. */
static bool place_groups(const tap_bound *b, tap_arena *a, tap_layer_tree *t) {
    for (size_t i = 0; i < b->main->n_nodes; i++) {
        const char *s = b->main->nodes[i]->src->n_outputs ? b->main->nodes[i]->src->outputs[0] : "";
        bool group = strchr(s, ';') != NULL;
        t->grouped |= group;
        t->rounded |= strstr(s, "_prequant") || strstr(s, "_dequant");
        while (group && *s) {
            size_t n = strcspn(s, ";");
            const char *one = tap_arena_string(a, s, n);
            tap_path p;
            int32_t m;
            if (!one || !tap_path_of_name(one, a, &p) || !enter(t, a, &p, true, &m)) return false;
            s += n + (s[n] == ';');
        }
    }
    return true;
}

/* Modules that only weights remember. */
static bool place_weights(const tap_bound *b, tap_arena *a, tap_layer_tree *t) {
    if (t->dialect != TAP_DIALECT_TF) return true;
    const tap_src_graph *src = b->main->src;
    for (size_t i = 0; i < src->n_inits; i++) {
        tap_path p;
        int32_t m;
        if (!tap_path_of_name(src->inits[i].name, a, &p) || !enter(t, a, &p, true, &m)) return false;
    }
    return place_groups(b, a, t);
}

/* ---- What was merged ---- */

/* A module whose name is that of a node in another, of that node's kernel, or one of a group: what it puts
 * out is in that node. Of a group only modules that have no nodes of their own, or have their product or, as
 * its first, their bias in it. A layer "conv" whose kernel has a layer "conv/norm" in it has that behind it,
 * not inside. */
typedef enum in_group { ALONE, MERGED, IN_GROUP, BIAS_IN_GROUP } in_group;

static bool carry(tap_layer_tree *t, tap_arena *a, const char *name, int32_t module, in_group group) {
    tap_path p;
    char raw[1024] = "";
    tap_text text = {raw, sizeof raw, 0};
    if (module < 0 || !tap_path_of_name(name, a, &p)) return module < 0;
    for (size_t i = 0; i < p.n; i++) tap_text_add(&text, "%s%s", i ? "/" : "", p.pieces[i]);
    int32_t m = tap_map_get(&t->by_raw, raw, -1);
    bool other =
        m >= 0 && (group == MERGED || !tap_module_has(t, m, module)) && !tap_module_has(t, module, m);
    /* Calls of one layer share their weights, under the name of any. */
    const char *x = other ? t->modules[m].name : NULL, *y = t->modules[module].name;
    if (x && y && strcmp(x, y) == 0 && group != BIAS_IN_GROUP) other = false;

    bool all = group != IN_GROUP || tap_name_is_product(name);
    if (other && t->modules[m].carrier < 0 && (t->modules[m].first < 0 || all)) {
        t->modules[m].carrier = module;
        t->modules[m].merged_away = true;
    }
    return true;
}

static bool find_carriers(const tap_bound *b, tap_arena *a, tap_layer_tree *t) {
    const tap_graph *g = b->main;
    int32_t *n_uses = tap_arena_array(a, g->n_values, sizeof *n_uses);
    if (!n_uses) return false;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int32_t k = 0; k < g->nodes[i]->n_in; k++)
            if (g->nodes[i]->in[k] != TAP_NO_VALUE) n_uses[g->nodes[i]->in[k]]++;
    for (size_t i = 0; t->dialect == TAP_DIALECT_TF && i < g->n_nodes; i++) {
        const tap_src_node *n = g->nodes[i]->src;
        int32_t module = t->of_node[i];
        tap_vid kernel = g->nodes[i]->n_in > 1 ? g->nodes[i]->in[1] : TAP_NO_VALUE;

        if (strncmp(n->op, "Conv", 4) != 0 && strcmp(n->op, "MatMul") != 0 && strcmp(n->op, "Gemm") != 0)
            continue;
        bool merged = kernel != TAP_NO_VALUE && tap_name_is_merged(g->values[kernel].name);
        if (!carry(t, a, n->name, module, merged ? MERGED : ALONE)) return false;
        bool own = kernel != TAP_NO_VALUE && g->values[kernel].init && n_uses[kernel] == 1;
        if (own && !carry(t, a, n->inputs[1], module, merged ? MERGED : ALONE)) return false;

        const char *s = n->n_outputs ? n->outputs[0] : "";
        if (tap_name_has_foreign_bias(s)) {
            const char *first = tap_arena_string(a, s, strcspn(s, ";"));
            if (!first || !carry(t, a, first, module, BIAS_IN_GROUP)) return false;
        }
        while ((s = strchr(s, ';')) != NULL) {
            const char *one = tap_arena_string(a, s + 1, strcspn(s + 1, ";"));
            if (!one || !carry(t, a, one, module, IN_GROUP)) return false;
            s++;
        }
    }
    return true;
}

static void measure(tap_layer_tree *t, size_t n_nodes) {
    for (size_t i = 0; i < n_nodes; i++)
        for (int32_t m = t->of_node[i]; m >= 0; m = t->modules[m].parent) {
            if (t->modules[m].first < 0) t->modules[m].first = (int32_t)i;
            t->modules[m].last = (int32_t)i;
        }
}

/* ---- Names ---- */

/* The outermost module that all others lie in: the model. -1: there is none. */
static int32_t model_of(const tap_layer_tree *t) {
    int32_t best = -1;
    size_t inside = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->modules[i].parent < 0 && t->modules[i].n_inner > (best < 0 ? 0 : t->modules[best].n_inner))
            best = (int32_t)i;
    for (size_t i = 0; i < t->n; i++) inside += tap_module_has(t, best, (int32_t)i);
    return inside * 10 >= t->n * 7 ? best : -1;
}

static bool is_numbered(const tap_module *m, size_t *stem) {
    int32_t number = tap_name_number(m->piece, strlen(m->piece), stem);
    return number >= 1;
}

/* What operations are called under Keras 2 alone, and under Keras 3 alone. */
static void look_for(const char *name, bool *two, bool *three) {
    *two |= strstr(name, "/Conv2D") || strstr(name, "/FusedBatchNormV3") ||
            strstr(name, "/MatMul/ReadVariableOp");
    *three |=
        strstr(name, "/convolution") || strstr(name, "/Cast/ReadVariableOp") || strstr(name, "/batchnorm/");
}

/* Keras 2 gives no numbers, but a second model of a session has them in its layers' names. */
static bool is_keras2(const tap_bound *b) {
    bool two = false, three = false;
    const tap_src_graph *g = b->main->src;
    for (size_t i = 0; i < g->n_inits; i++) look_for(g->inits[i].name, &two, &three);
    for (size_t i = 0; i < g->n_nodes; i++) {
        look_for(g->nodes[i].name, &two, &three);
        if (g->nodes[i].n_outputs) look_for(g->nodes[i].outputs[0], &two, &three);
    }
    return two && !three;
}

/* Whether a module of that piece, or of one that begins with it and another number, is beside m. */
static bool has_sibling(const tap_layer_tree *t, const tap_module *m, size_t stem, int32_t number) {
    char raw[1024] = "";
    tap_text x = {raw, sizeof raw, 0};
    if (m->parent >= 0) tap_text_add(&x, "%s/", t->modules[m->parent].raw);
    tap_text_add(&x, "%.*s_%d", (int)stem, m->piece, (int)number);
    int32_t at = tap_map_get(&t->by_raw, raw, -1);
    return at >= 0 && !t->modules[at].merged_away;
}

/* A call in Keras 3 takes two numbers and shows the second: two in a row are two layers of Keras 2. */
static bool has_neighbours(const tap_layer_tree *t, int32_t model) {
    for (size_t i = 0; i < t->n; i++) {
        const tap_module *m = &t->modules[i];
        size_t stem;
        int32_t number = tap_name_number(m->piece, strlen(m->piece), &stem);
        if (m->parent == model && number >= 1 && !m->merged_away && has_sibling(t, m, stem, number + 1))
            return true;
    }
    return false;
}

/* Keras 3 opens each layer's scope twice, so that all have a number behind them that is not the layer's. */
static bool has_keras3_numbers(const tap_layer_tree *t, int32_t model) {
    size_t n = 0, numbered = 0, stem;
    for (size_t i = 0; i < t->n; i++) {
        if (t->modules[i].parent != model) continue;
        n++;
        numbered += is_numbered(&t->modules[i], &stem);
    }
    if (model >= 0 && !is_numbered(&t->modules[model], &stem)) return false;
    return n > 0 && numbered * 10 >= n * 8;
}

static bool name_tf(const tap_bound *b, tap_layer_tree *t, tap_arena *a) {
    int32_t model = model_of(t);
    bool keras3 = has_keras3_numbers(t, model) && !is_keras2(b) && !has_neighbours(t, model);

    t->reentered = !keras3;

    for (size_t i = 0; i < t->n; i++) {
        tap_module *m = &t->modules[i];
        const char *around = "";
        size_t stem = strlen(m->piece);
        if ((int32_t)i == model || (model >= 0 && m->parent < 0)) continue;
        if (keras3 && !is_numbered(m, &stem)) continue;
        if (m->parent >= 0 && m->parent != model) {
            around = t->modules[m->parent].name;
            if (!around) continue; /* a part of something that is no layer */
        }
        m->name = tap_arena_printf(a, "%s%s%.*s", around, *around ? "/" : "", (int)stem, m->piece);
        if (!m->name) return false;
    }
    return true;
}

/* The modules that have weights, by name: what is before each dot in an initializer's. */
static bool find_owners(const tap_bound *b, tap_arena *a, tap_map *owners) {
    const tap_src_graph *src = b->main->src;
    for (size_t i = 0; i < src->n_inits; i++)
        for (const char *dot = strchr(src->inits[i].name, '.'); dot; dot = strchr(dot + 1, '.')) {
            const char *name = tap_arena_string(a, src->inits[i].name, (size_t)(dot - src->inits[i].name));
            if (!name || !tap_map_put(owners, name, 1)) return false;
        }
    return true;
}

/* By module: the operator of its only node; NULL: it has none, or several. */
static const char **find_only_ops(const tap_bound *b, tap_arena *a, const tap_layer_tree *t) {
    const char **ops = tap_arena_array(a, t->n, sizeof *ops);
    bool *several = tap_arena_array(a, t->n, sizeof *several);
    if (!ops || !several) return NULL;
    for (size_t i = 0; i < t->n; i++) {
        ops[i] = NULL;
        several[i] = t->modules[i].n_inner > 0;
    }
    for (size_t i = 0; i < b->main->n_nodes; i++) {
        int32_t m = t->of_node[i];
        if (m < 0) continue;
        several[m] |= ops[m] != NULL;
        ops[m] = several[m] ? NULL : b->main->nodes[i]->src->op;
    }
    return ops;
}

/* What tells layers called NAME_1 from second calls. */
typedef struct scopes {
    tap_map owners;
    const char **only_op;
} scopes;

/* "/layer1/layer1.0/conv1_1": what the framework calls it. A child of a Sequential repeats its parent's name;
 * the second call has _1 behind it, unless it has weights of that name or does something else. */
static const char *scope_name(const scopes *w, const tap_layer_tree *t, tap_arena *a, tap_module *m) {
    const tap_module *up = m->parent < 0 ? NULL : &t->modules[m->parent];
    const char *around = up ? up->name : "";
    size_t n = strlen(m->piece), stem, up_n = up ? strlen(up->piece) : 0;
    if (up && tap_name_number(up->piece, up_n, &stem) >= 0 && strncmp(m->piece, up->piece, stem) == 0 &&
        m->piece[stem] == '.')
        up_n = stem;
    if (up && strncmp(m->piece, up->piece, up_n) == 0 && m->piece[up_n] == '.') around = up->around;
    m->around = around;
    const char *literal = tap_arena_printf(a, "%s%s%s", around, *around ? "." : "", m->piece);
    if (!literal || tap_name_number(m->piece, n, &stem) < 1) return literal;
    const char *first = up ? tap_arena_printf(a, "%s/%.*s", up->raw, (int)stem, m->piece)
                           : tap_arena_string(a, m->piece, stem);
    if (!first) return NULL;
    int32_t called = tap_map_get(&t->by_raw, first, -1);
    if (called < 0 || tap_map_get(&w->owners, literal, 0)) return literal;
    const char *op = w->only_op[m - t->modules], *other = w->only_op[called];
    if (op && other && strcmp(op, other) != 0) return literal;
    return tap_arena_string(a, literal, strlen(literal) - (n - stem));
}

static bool name_scopes(const tap_bound *b, tap_layer_tree *t, tap_arena *a) {
    scopes w = {.only_op = find_only_ops(b, a, t)};
    tap_map_init(&w.owners, b->budget);
    bool ok = w.only_op && find_owners(b, a, &w.owners);
    for (size_t i = 0; ok && i < t->n; i++) {
        t->modules[i].name = scope_name(&w, t, a, &t->modules[i]);
        ok = t->modules[i].name != NULL;
    }
    tap_map_free(&w.owners);
    return ok;
}

static bool name_all(const tap_bound *b, tap_layer_tree *t, tap_arena *a) {
    if (t->dialect == TAP_DIALECT_TF) return name_tf(b, t, a);
    if (t->dialect != TAP_DIALECT_FX) return name_scopes(b, t, a);
    for (size_t i = 0; i < t->n; i++) t->modules[i].name = t->modules[i].piece;
    return true;
}

/* ---- Calls ---- */

typedef struct named {
    const tap_layer_tree *t;
    int32_t m;
} named;

/* The order in which two modules of one name are called: that of those around them, then by their numbers. */
static int by_call(const tap_layer_tree *t, int32_t x, int32_t y) {
    if (x == y || x < 0 || y < 0) return 0;
    const tap_module *a = &t->modules[x], *b = &t->modules[y];
    int order = by_call(t, a->parent, b->parent);
    size_t stem;
    if (order) return order;
    if (t->dialect != TAP_DIALECT_FX) {
        int32_t i = tap_name_number(a->piece, strlen(a->piece), &stem);
        int32_t k = tap_name_number(b->piece, strlen(b->piece), &stem);
        if (i != k) return i < k ? -1 : 1;
    }
    return x < y ? -1 : 1;
}

static int by_name_and_call(const void *a, const void *b) {
    const named *x = a, *y = b;
    int order = strcmp(x->t->modules[x->m].name, y->t->modules[y->m].name);
    return order ? order : by_call(x->t, x->m, y->m);
}

static bool count_calls(tap_layer_tree *t, tap_arena *a) {
    named *all = tap_arena_array(a, t->n, sizeof *all);
    size_t n = 0;
    if (!all) return false;
    for (size_t i = 0; i < t->n; i++)
        if (t->modules[i].name) all[n++] = (named){t, (int32_t)i};
    if (n) qsort(all, n, sizeof *all, by_name_and_call);
    for (size_t i = 1; i < n; i++) {
        tap_module *m = &t->modules[all[i].m], *before = &t->modules[all[i - 1].m];
        if (strcmp(m->name, before->name) != 0) continue;
        m->call = before->call + 1;
        if (m->parent == before->parent) m->again = before->again + 1;
    }
    return true;
}

tap_status tap_layer_tree_build(const tap_bound *b, tap_arena *arena, tap_layer_tree *t, tap_error *err) {
    *t = (tap_layer_tree){.dialect = tap_dialect_of(b)};
    tap_map_init(&t->by_raw, b->budget);
    t->of_node = tap_arena_array(arena, b->main->n_nodes, sizeof *t->of_node);
    for (size_t i = 0; t->of_node && i < b->main->n_nodes; i++) t->of_node[i] = -1;
    if (!t->of_node || !place_nodes(b, arena, t) || !place_weights(b, arena, t) ||
        !tap_place_unnamed(b, arena, t) || !name_all(b, t, arena) || !count_calls(t, arena))
        return tap_error_no_memory(err, b->main->n_nodes * sizeof *t->of_node);
    measure(t, b->main->n_nodes);
    return find_carriers(b, arena, t) ? TAP_OK : tap_error_no_memory(err, t->n);
}

void tap_layer_tree_free(tap_layer_tree *t) {
    tap_map_free(&t->by_raw);
}
