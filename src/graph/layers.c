/* The index of layers: which value has the output of which layer. */
#include "graph/layers.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "graph/layer_match.h"

typedef struct builder {
    const tap_bound *b;
    const tap_graph *g;
    tap_arena *arena;
    tap_layer_tree tree;
    tap_layer_index *x;
    size_t room;
    tap_uses uses;
    tap_vid *vid;    /* of values of g, by global number */
    int32_t *module; /* by layer; -1: none */
    int32_t *carried,
        *next_carried; /* by module: the first that it carries, and the next that its carrier does */
} builder;

/* ---- Adding ---- */

static tap_layer *add_layer(builder *w, const char *name, int32_t call, int32_t output) {
    tap_layer_index *x = w->x;
    if (x->n == w->room) {
        size_t room = w->room ? 2 * w->room : 64;
        tap_layer *wider = tap_arena_array(w->arena, room, sizeof *wider);
        int32_t *modules = tap_arena_array(w->arena, room, sizeof *modules);
        if (!wider || !modules) return NULL;
        if (x->n) {
            memcpy(wider, x->layers, x->n * sizeof *wider);
            memcpy(modules, w->module, x->n * sizeof *modules);
        }
        x->layers = wider;
        w->module = modules;
        w->room = room;
    }
    w->module[x->n] = -1;
    tap_layer *l = &x->layers[x->n++];
    *l = (tap_layer){.name = name, .call = call, .output = output, .value = -1, .rank = -1};
    l->status = TAP_LAYER_UNKNOWN;
    return l;
}

/* ---- Layers from modules ---- */

/* A convolution of PyTorch's whose weights and bias have lost their names has a BatchNormalization in them,
 * which comes after it. */
static bool has_normalized_weights(const builder *w, int32_t m) {
    const tap_module *x = &w->tree.modules[m];
    if (w->tree.dialect != TAP_DIALECT_SCOPES || x->first < 0 || x->n_inner) return false;
    const tap_node *n = w->g->nodes[x->last];
    if (strncmp(n->src->op, "Conv", 4) != 0 || n->n_in < 3) return false;
    return strncmp(n->src->inputs[1], "onnx::", 6) == 0 && strncmp(n->src->inputs[2], "onnx::", 6) == 0;
}

/* The layers whose work module m has, too. */
static bool list_merged(builder *w, int32_t m, tap_layer *l) {
    const tap_layer_tree *t = &w->tree;
    size_t n = 0;
    for (int32_t i = w->carried[m]; i >= 0; i = w->next_carried[i]) n += t->modules[i].name != NULL;
    if (n == 0) return true;
    const char **names = tap_arena_array(w->arena, n, sizeof *names);
    if (!names) return false;
    for (int32_t i = w->carried[m]; i >= 0; i = w->next_carried[i])
        if (t->modules[i].name) names[l->n_merged++] = t->modules[i].name;
    l->merged = names;
    return true;
}

static bool find_merged(builder *w) {
    size_t n = w->tree.n;
    w->carried = tap_arena_array(w->arena, n, sizeof *w->carried);
    w->next_carried = tap_arena_array(w->arena, n, sizeof *w->next_carried);
    if (!w->carried || !w->next_carried) return false;
    for (size_t i = 0; i < n; i++) w->carried[i] = w->next_carried[i] = -1;
    for (size_t i = n; i-- > 0;) {
        int32_t by = w->tree.modules[i].carrier;
        if (by < 0) continue;
        w->next_carried[i] = w->carried[by];
        w->carried[by] = (int32_t)i;
    }
    return true;
}

static bool add_module(builder *w, int32_t m) {
    const tap_module *x = &w->tree.modules[m];
    tap_module_outputs out;
    if (!x->name) return true;
    bool folded = (x->merged_away && (x->first < 0 || x->carrier >= 0)) || has_normalized_weights(w, m);
    tap_module_outputs_find(&w->uses, m, &out);
    for (int32_t i = 0; i < out.n && i < TAP_MODULE_OUTPUTS; i++) {
        tap_layer *l = add_layer(w, x->name, x->call, i);
        if (!l) return false;
        l->kind = x->kind;
        w->module[w->x->n - 1] = m;
        if (folded)
            l->status = TAP_LAYER_FOLDED;
        else if (out.value[i] != TAP_NO_VALUE)
            l->status = TAP_LAYER_FOUND, l->value = w->g->values[out.value[i]].global;
        if (l->value >= 0 && !list_merged(w, m, l)) return false;
    }
    return true;
}

typedef struct placed {
    int32_t m, last, depth;
} placed;

static int by_place(const void *a, const void *b) {
    const placed *x = a, *y = b;
    if (x->last != y->last) return x->last < y->last ? -1 : 1;
    if (x->depth != y->depth) return x->depth > y->depth ? -1 : 1;
    return x->m < y->m ? -1 : 1;
}

static bool add_modules(builder *w) {
    placed *order = tap_arena_array(w->arena, w->tree.n, sizeof *order);
    if (!order || !find_merged(w)) return false;
    for (size_t i = 0; i < w->tree.n; i++) {
        const tap_module *x = &w->tree.modules[i];
        order[i] = (placed){(int32_t)i, x->last, 0};
        if (x->carrier >= 0) { /* before what has its work */
            order[i].last = w->tree.modules[x->carrier].last;
            order[i].depth = 1000;
        }

        for (int32_t p = w->tree.modules[i].parent; p >= 0; p = w->tree.modules[p].parent) order[i].depth++;
    }
    if (w->tree.n) qsort(order, w->tree.n, sizeof *order, by_place);
    for (size_t i = 0; i < w->tree.n; i++)
        if (!add_module(w, order[i].m)) return false;
    return true;
}

/* Nothing tells of modules: each node that has a name is a layer. */
static bool add_nodes(builder *w) {
    for (size_t i = 0; i < w->g->n_nodes; i++) {
        const tap_node *n = w->g->nodes[i];
        int32_t output = 0;
        for (int32_t k = 0; k < n->n_out && *n->src->name; k++) {
            if (n->out[k] == TAP_NO_VALUE) continue;
            tap_layer *l = add_layer(w, n->address, 0, output++);
            if (!l) return false;
            l->kind = n->src->op;
            l->status = TAP_LAYER_FOUND;
            l->value = w->g->values[n->out[k]].global;
        }
    }
    return true;
}

/* "serving_default_image:0" -> "image" */
static const char *input_name(builder *w, const char *name) {
    const char *prefix = "serving_default_", *colon = strrchr(name, ':');
    size_t n = colon && colon != name && strcmp(colon, ":0") == 0 ? (size_t)(colon - name) : strlen(name);
    size_t skip = strncmp(name, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
    return skip < n ? tap_arena_string(w->arena, name + skip, n - skip) : name;
}

static bool add_inputs(builder *w) {
    for (size_t i = 0; i < w->g->n_inputs; i++) {
        const tap_gvalue *v = &w->g->values[w->g->inputs[i]];
        if (v->init) continue;
        const char *name = input_name(w, v->name);
        tap_layer *l = name ? add_layer(w, name, 0, 0) : NULL;
        if (!l) return false;
        l->kind = "InputLayer";
        l->status = TAP_LAYER_ALIAS;
        l->value = v->global;
    }
    return true;
}

/* ---- Finishing ---- */

static bool make_keys(builder *w) {
    bool tf = w->tree.dialect == TAP_DIALECT_TF;
    for (size_t i = 0; i < w->x->n; i++) {
        tap_layer *l = &w->x->layers[i];
        l->key = l->name;
        if (l->call > 0) l->key = tap_arena_printf(w->arena, tf ? "%s_%d" : "%s#%d", l->name, (int)l->call);
        if (l->key && l->output > 0) l->key = tap_arena_printf(w->arena, "%s:%d", l->key, (int)l->output);
        if (!l->key) return false;
    }
    return true;
}

/* The shape in the framework's order of axes. */
static bool make_dims(builder *w) {
    for (size_t i = 0; i < w->x->n; i++) {
        tap_layer *l = &w->x->layers[i];
        if (l->value < 0 || l->dims) continue;
        const tap_axes *axes = &w->x->axes[l->value];
        const tap_gvalue *v = &w->g->values[w->vid[l->value]];
        if (axes->rank < 0 || v->type.rank != axes->rank) continue;
        int64_t *dims = tap_arena_array(w->arena, (size_t)axes->rank, sizeof *dims);
        if (!dims) return false;
        for (int32_t k = 0; k < axes->rank; k++) dims[k] = v->type.dims[axes->perm[k]];
        l->dims = dims;
        l->rank = axes->rank;
    }
    return true;
}

static void note_values(builder *w) {
    for (int32_t i = 0; i < w->b->n_values; i++) w->x->of_value[i] = -1;
    for (size_t i = 0; i < w->x->n; i++) {
        const tap_layer *l = &w->x->layers[i];
        if (l->value < 0) continue;
        int32_t *of = &w->x->of_value[l->value];
        if (*of < 0 || (w->x->layers[*of].status == TAP_LAYER_ALIAS && l->status == TAP_LAYER_FOUND))
            *of = (int32_t)i;
    }
}

static tap_status match(builder *w, const tap_layer_list *list, tap_error *err) {
    tap_layer_facts facts = {w->b, &w->tree, &w->uses, w->vid, w->x->axes, w->x->layers, w->module, w->x->n};
    return tap_layers_match(&facts, list, w->arena, &w->x->layers, &w->x->n, err);
}

static bool find_layers(builder *w) {
    bool nodes = w->tree.dialect == TAP_DIALECT_NODES;
    w->vid = tap_arena_array(w->arena, (size_t)w->b->n_values, sizeof *w->vid);
    if (!w->vid) return false;
    for (size_t v = 0; v < w->g->n_values; v++) w->vid[w->g->values[v].global] = (tap_vid)v;
    if (w->tree.dialect == TAP_DIALECT_TF && !add_inputs(w)) return false;
    return nodes ? add_nodes(w) : add_modules(w);
}

static tap_status build(builder *w, const tap_layer_list *list, tap_error *err) {
    size_t n = (size_t)w->b->n_values;
    tap_status st = tap_layer_tree_build(w->b, w->arena, &w->tree, err);
    if (st == TAP_OK) st = tap_provenance(w->b, w->tree.dialect == TAP_DIALECT_TF, w->x->axes, err);
    if (st == TAP_OK) st = tap_uses_build(w->g, &w->tree, w->arena, &w->uses, err);
    if (st == TAP_OK && !find_layers(w)) st = tap_error_no_memory(err, n);
    if (st == TAP_OK && list) st = match(w, list, err);
    if (st == TAP_OK && (!make_keys(w) || !make_dims(w))) st = tap_error_no_memory(err, n);
    if (st == TAP_OK) note_values(w);
    return st;
}

tap_status tap_layers_build(const tap_bound *b, const tap_layer_list *list, tap_arena *arena,
                            tap_layer_index **out, tap_error *err) {
    builder w = {.b = b, .g = b->main, .arena = arena, .x = tap_arena_zero(arena, sizeof *w.x)};
    *out = NULL;
    if (!w.x) return tap_error_no_memory(err, sizeof *w.x);
    size_t n = (size_t)b->n_values;
    w.x->of_value = tap_arena_array(arena, n, sizeof *w.x->of_value);
    w.x->axes = tap_arena_array(arena, n, sizeof *w.x->axes);
    if (!w.x->of_value || !w.x->axes) return tap_error_no_memory(err, n * sizeof *w.x->axes);
    tap_status st = build(&w, list, err);
    tap_layer_tree_free(&w.tree);
    if (st == TAP_OK) *out = w.x;
    return st;
}

/* ---- Names that a user writes ---- */

static bool is_like(const char *pattern, const char *name, bool glob) {
    return glob ? fnmatch(pattern, name, 0) == 0 : strcmp(pattern, name) == 0;
}

bool tap_layer_is_called(const tap_layer *l, const char *name, bool glob) {
    char text[1024] = "";
    tap_text t = {text, sizeof text, 0};
    if (is_like(name, l->key, glob)) return true;
    tap_text_add(&t, "%s", l->name);
    if (l->call == 0 && is_like(name, text, glob)) return true;
    tap_text_add(&t, "#%d", (int)l->call);
    if (is_like(name, text, glob)) return true;
    tap_text_add(&t, ":%d", (int)l->output);
    return is_like(name, text, glob);
}
