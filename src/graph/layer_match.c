/* A framework's own list of layers laid over what the file tells: names find modules, shapes choose among
 * what leaves them, connections tell the rest. */
#include "graph/layer_match.h"

#include <string.h>
#include <strings.h>

#define ENTRIES_MAX  ((size_t)1 << 22)
#define EXTERNAL_MAX 8

typedef struct entry {
    const tap_listed_layer *of;
    int32_t call, output;
    int32_t module;  /* -1: none */
    int32_t carried; /* folded: the value that has its work and another's; -1: none */
    int32_t leader;  /* of the entries that have one and the same tensor: the first */
    tap_layer *l;
} entry;

typedef struct matcher {
    const tap_layer_facts *f;
    const tap_graph *g;
    const tap_layer_list *list;
    tap_arena *arena;
    entry *entries;
    size_t n;
    size_t *first;  /* by listed layer: its first entry */
    int32_t *owner; /* by value: the first entry that has it and does something; -1: none */
    struct link {
        int32_t consumer, next; /* entries; -1: the last */
    } * links;
    int32_t *first_link; /* by entry */
    tap_map layers;      /* name -> listed layer */
    tap_map known;       /* "name#call:output" -> layer of the file */
    bool linked;         /* the list tells what is connected with what */
    bool same_batch;     /* the list was made with as many samples as the file is for */
    bool no_memory;
} matcher;

/* ---- Names ---- */

static const char *label(matcher *w, const char *name, int32_t call, int32_t output) {
    const char *s = tap_arena_printf(w->arena, "%s#%d:%d", name, (int)call, (int)output);
    if (!s) w->no_memory = true;
    return s ? s : "";
}

static size_t calls_of(const tap_listed_layer *l) {
    return l->n_calls ? l->n_calls : 1;
}

static size_t outputs_of(const tap_listed_layer *l) {
    return l->n_outputs ? l->n_outputs : 1;
}

/* Entry of a layer's call and output; NULL: the list has no such. */
static entry *entry_of(const matcher *w, const char *name, int32_t call, int32_t output) {
    int32_t i = tap_map_get(&w->layers, name, -1);
    if (i < 0 || call < 0 || output < 0) return NULL;
    const tap_listed_layer *l = &w->list->layers[i];
    if ((size_t)call >= calls_of(l) || (size_t)output >= outputs_of(l)) return NULL;
    return &w->entries[w->first[i] + (size_t)call * outputs_of(l) + (size_t)output];
}

/* ---- Shapes ---- */

/* Whether a value can have the shape that the list tells, in the order of axes that it has. Where its order
 * is not known any that fits will do. */
static bool fits(const matcher *w, const entry *e, int32_t value) {
    if (!e->of->n_outputs || e->call > 0) return true; /* shapes are the first call's */

    const tap_listed_output *o = &e->of->outputs[e->output];
    const tap_type *t = &w->g->values[w->f->vid[value]].type;
    const tap_axes *axes = &w->f->axes[value];
    bool used[TAP_RANK_MAX] = {false};
    if (o->rank < 0 || t->kind != TAP_KIND_TENSOR || t->rank < 0) return true;
    if (o->rank != t->rank) return false;
    for (int32_t i = 0; i < o->rank; i++) {
        int32_t from = axes->rank == t->rank ? axes->perm[i] : -1;
        for (int32_t k = 0; k < t->rank && from < 0; k++)
            if (!used[k] && (t->dims[k] < 0 || o->dims[i] < 0 || t->dims[k] == o->dims[i])) from = k;
        if (from < 0) return false;
        used[from] = true;
        bool counts = i > 0 || w->same_batch;
        if (counts && t->dims[from] >= 0 && o->dims[i] >= 0 && t->dims[from] != o->dims[i]) return false;
    }
    return true;
}

/* Whether the first axes of what the file tells by name are those of the list. */
static bool has_same_batch(matcher *w) {
    size_t same = 0;
    for (size_t i = 0; i < w->n; i++) {
        const entry *e = &w->entries[i];
        int32_t k = tap_map_get(&w->known, label(w, e->of->name, e->call, e->output), -1);
        int32_t value = k >= 0 && e->call == 0 && e->of->n_outputs ? w->f->layers[k].value : -1;
        if (value < 0 || w->f->axes[value].rank < 1) continue;
        const tap_type *t = &w->g->values[w->f->vid[value]].type;
        const tap_listed_output *o = &e->of->outputs[e->output];
        int64_t batch = t->dims[w->f->axes[value].perm[0]];
        if (o->rank != t->rank || batch < 0 || o->dims[0] < 0) continue;
        if (batch != o->dims[0]) return false;
        same++;
    }
    return same > 0;
}

static void found(matcher *w, entry *e, int32_t value) {
    e->l->value = value;
    e->l->status = TAP_LAYER_FOUND;
    if (w->owner[value] < 0) w->owner[value] = (int32_t)(e - w->entries);
}

/* Whether the value is already what another layer put out, and that is not a part of e, nor e of it. */
static bool is_anothers(const matcher *w, const entry *e, int32_t value) {
    if (w->owner[value] < 0) return false;
    const char *a = e->of->name, *b = w->entries[w->owner[value]].of->name;
    size_t n = strlen(a) < strlen(b) ? strlen(a) : strlen(b);
    return strncmp(a, b, n) != 0;
}

/* ---- By name ---- */

/* Calls that the file does not tell apart: what it says is of one of them, and not known which. */
static bool lacks_calls(matcher *w, const entry *e) {
    size_t calls = calls_of(e->of);
    return calls > 1 && tap_map_get(&w->known, label(w, e->of->name, (int32_t)calls - 1, 0), -1) < 0;
}

static bool is_mixed(matcher *w, const entry *e) {
    return w->f->tree->reentered && lacks_calls(w, e);
}

static bool takes(const matcher *w, int32_t listed, const tap_listed_layer *given) {
    const tap_listed_layer *l = &w->list->layers[listed];
    for (size_t c = 0; c < l->n_calls; c++)
        for (size_t i = 0; i < l->calls[c].n_inputs; i++)
            if (strcmp(l->calls[c].inputs[i].layer, given->name) == 0) return true;
    return false;
}

/* The value is made in what lies in e by its name, "fc/relu" in "fc", and takes what e gives: it is behind
 * it. */
static bool is_behind(const matcher *w, const entry *e, int32_t value) {
    const tap_layer_tree *t = w->f->tree;
    int32_t at = w->f->uses->position[w->f->vid[value]];
    for (int32_t m = at >= 0 ? t->of_node[at] : -1; m >= 0 && m != e->module; m = t->modules[m].parent) {
        int32_t listed = t->modules[m].name ? tap_map_get(&w->layers, t->modules[m].name, -1) : -1;
        if (listed >= 0 && takes(w, listed, e->of)) return true;
    }
    return false;
}

static void take_known(matcher *w, entry *e) {
    if (is_mixed(w, e)) return;

    int32_t k = tap_map_get(&w->known, label(w, e->of->name, e->call, e->output), -1);
    int32_t first = tap_map_get(&w->known, label(w, e->of->name, e->call, 0), -1);
    if (first >= 0) e->module = w->f->module[first];
    if (k < 0) return;
    const tap_layer *l = &w->f->layers[k];
    if (l->value >= 0 && (!fits(w, e, l->value) || is_behind(w, e, l->value))) return;
    e->l->status = l->status;
    e->l->value = l->value;
    e->l->merged = l->merged;
    e->l->n_merged = l->n_merged;
    if (l->value >= 0 && l->status == TAP_LAYER_FOUND) found(w, e, l->value);
}

/* Of the values that leave its module the only one that has the shape. */
static void choose_by_shape(matcher *w, entry *e) {
    const tap_uses *u = w->f->uses;
    int32_t only = -1;
    if (e->l->value >= 0 || e->module < 0 || e->l->status == TAP_LAYER_FOLDED || w->f->tree->rounded) return;
    if (u->of[e->module].mixed || u->of[e->module].first_rnn >= 0) return;
    if (w->f->tree->grouped || e->call > 0 || lacks_calls(w, e) || !e->of->n_outputs ||
        e->of->outputs[e->output].rank < 1)
        return;
    for (int32_t i = u->of[e->module].first_leaver; i >= 0; i = u->leavers[i].next) {
        const tap_gvalue *v = &w->g->values[u->leavers[i].v];
        if (v->type.kind != TAP_KIND_TENSOR || v->type.rank < 0 || !fits(w, e, v->global)) continue;
        if (is_behind(w, e, v->global)) continue;
        if (only >= 0) return;
        only = v->global;
    }
    /* Another output of the same shape may be the one that leaves. */
    for (size_t k = 0; k < outputs_of(e->of); k++) {
        entry other = *e;
        other.output = (int32_t)k;
        if ((int32_t)k != e->output && only >= 0 && fits(w, &other, only)) return;
    }
    if (only >= 0 && !tap_only_rewritten_take(u, e->module, w->f->vid[only])) found(w, e, only);
}

/* ---- By class ---- */

/* Layers that do nothing at inference. */
static bool does_nothing(const tap_listed_layer *l) {
    static const char *const names[] = {
        "Dropout",        "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D",
        "AlphaDropout",   "GaussianDropout",  "GaussianNoise",    "ActivityRegularization",
        "Identity",       "StochasticDepth",  "DropPath",         "DropBlock2d",
        "Dropout1d",      "Dropout2d",        "Dropout3d",        "FeatureAlphaDropout",
        "RandomFlip",     "RandomRotation",   "RandomZoom",       "RandomTranslation",
        "RandomContrast", "RandomBrightness", "FakeQuantizeOff"};
    const char *dot = strrchr(l->kind, '.');
    const char *kind = dot ? dot + 1 : l->kind;
    for (size_t i = 0; i < TAP_COUNT_OF(names); i++)
        if (strcmp(kind, names[i]) == 0) return true;
    return strcmp(kind, "Activation") == 0 && strcmp(l->activation, "linear") == 0;
}

static bool is_kind(const tap_listed_layer *l, const char *kind) {
    return strstr(l->kind, kind) != NULL;
}

/* ---- By connections ---- */

static const tap_listed_call *call_of(const entry *e) {
    return (size_t)e->call < e->of->n_calls ? &e->of->calls[e->call] : NULL;
}

/* The entry that input i of the call comes from; NULL: not known. */
static entry *input_of(const matcher *w, const entry *e, size_t i) {
    const tap_listed_call *c = call_of(e);
    if (!c || i >= c->n_inputs) return NULL;
    return entry_of(w, c->inputs[i].layer, c->inputs[i].call, c->inputs[i].output);
}

/* Without connections: the entry before it in the order of calls, if both are called once. */
static entry *before(const matcher *w, const entry *e) {
    if (w->linked || e == w->entries) return NULL;
    entry *p = &w->entries[e - w->entries - 1];
    return calls_of(p->of) == 1 && calls_of(e->of) == 1 && outputs_of(p->of) == 1 ? p : NULL;
}

static entry *only_input(const matcher *w, const entry *e) {
    const tap_listed_call *c = call_of(e);
    return w->linked ? (c && c->n_inputs == 1 ? input_of(w, e, 0) : NULL) : before(w, e);
}

static bool made_in(const matcher *w, int32_t module, tap_vid v) {
    int32_t at = w->f->uses->position[v];
    return at >= 0 && tap_module_has(w->f->tree, module, w->f->tree->of_node[at]);
}

static bool is_data(const matcher *w, tap_vid v) {
    const tap_gvalue *x = &w->g->values[v];
    if (x->init || (x->producer && x->producer->n_in == 0)) return false;
    return x->type.kind != TAP_KIND_TENSOR || x->type.dtype != TAP_INT64 || x->type.rank < 0 ||
           x->type.rank > 1 || x->is_input;
}

static bool makes_one(const tap_node *n) {
    return n->n_out == 1 && n->out[0] != TAP_NO_VALUE;
}

static bool only_asks_shape(const tap_node *n) {
    return strcmp(n->src->op, "Shape") == 0 || strcmp(n->src->op, "Size") == 0;
}

/* The values that a module takes from outside, each once. > EXTERNAL_MAX: too many to tell apart. */
static int32_t external(const matcher *w, int32_t module, tap_vid *out) {
    const tap_module *m = &w->f->tree->modules[module];
    int32_t n = 0;
    for (int32_t i = m->first; i >= 0 && i <= m->last; i++) {
        const tap_node *node = w->g->nodes[i];
        if (!tap_module_has(w->f->tree, module, w->f->tree->of_node[i]) || only_asks_shape(node)) continue;
        for (int32_t k = 0; k < node->n_in; k++) {
            tap_vid v = node->in[k];
            if (v == TAP_NO_VALUE || made_in(w, module, v) || !is_data(w, v)) continue;
            bool seen = false;
            for (int32_t s = 0; s < n; s++) seen |= out[s] == v;
            if (seen) continue;
            if (n == EXTERNAL_MAX) return EXTERNAL_MAX + 1;
            out[n++] = v;
        }
    }
    return n;
}

/* A value before the Transposes and the like that an exporter set behind it. */
static tap_vid without_moves(const matcher *w, tap_vid v) {
    for (;;) {
        int32_t at = w->f->uses->position[v];
        const tap_node *n = at >= 0 ? w->g->nodes[at] : NULL;
        if (!n || !n->n_in || n->in[0] == TAP_NO_VALUE || strcmp(n->src->op, "Transpose") != 0 ||
            !tap_name_is_made_up(n->src->name))
            return v;
        v = n->in[0];
    }
}

static bool is_tensor_of(const matcher *w, const entry *e, tap_vid v) {
    return e && e->l->value >= 0 && without_moves(w, w->f->vid[e->l->value]) == without_moves(w, v);
}

/* What the consumer's module takes that none of its other inputs is. -1: not certain. */
static int32_t taken_by(const matcher *w, const entry *consumer, const entry *e) {
    tap_vid v[EXTERNAL_MAX];
    const tap_listed_call *c = call_of(consumer);
    int32_t n = external(w, consumer->module, v), left = -1, n_left = 0, unknown = 0;
    if (n > EXTERNAL_MAX) return -1;
    for (size_t i = 0; i < c->n_inputs; i++) {
        const entry *in = input_of(w, consumer, i);
        if (!in) return -1;
        unknown += in->l->value < 0 && in != e;
    }
    if (unknown) return -1;
    for (int32_t i = 0; i < n; i++) {
        bool explained = false;
        for (size_t k = 0; k < c->n_inputs; k++) {
            const entry *in = input_of(w, consumer, k);
            explained |= in != e && is_tensor_of(w, in, v[i]);
        }
        if (explained) continue;
        left = w->g->values[v[i]].global;
        n_left++;
    }
    return n_left == 1 ? left : -1;
}

/* What an exporter made of v for the consumer, in its name: v in another shape. -1: nothing. */
static int32_t prepared(const matcher *w, const entry *consumer, int32_t value) {
    const tap_uses *u = w->f->uses;
    tap_vid v = w->f->vid[value];
    for (int32_t i = u->first[v]; i < u->first[v + 1]; i++) {
        const tap_node *n = w->g->nodes[u->users[i]];
        bool moves = strcmp(n->src->op, "Reshape") == 0 || strcmp(n->src->op, "Unsqueeze") == 0 ||
                     strcmp(n->src->op, "Squeeze") == 0;
        if (moves && makes_one(n) && tap_name_is_made_up(n->src->name) &&
            tap_module_has(w->f->tree, consumer->module, w->f->tree->of_node[u->users[i]]))
            return w->g->values[n->out[0]].global;
    }
    return -1;
}

/* Whether a value is what an input of e is: then e did nothing that this value shows. */
static bool is_an_input(const matcher *w, const entry *e, int32_t value) {
    const tap_listed_call *c = call_of(e);
    for (size_t i = 0; c && i < c->n_inputs; i++) {
        const entry *in = input_of(w, e, i);
        if (!in || is_tensor_of(w, in, w->f->vid[value])) return true;
    }
    return false;
}

static bool by_consumers(matcher *w, entry *e) {
    int32_t carrier = e->module >= 0 ? w->f->tree->modules[e->module].carrier : -1;
    for (int32_t i = w->first_link[e - w->entries]; i >= 0; i = w->links[i].next) {
        const entry *c = &w->entries[w->links[i].consumer];
        if (c->module < 0 || w->f->uses->of[c->module].mixed) continue;
        if (tap_module_has(w->f->tree, c->module, carrier)) continue; /* it takes what e was given */
        int32_t value = taken_by(w, c, e);
        if (value >= 0 && is_an_input(w, e, value) && is_kind(e->of, "Reshape"))
            value = prepared(w, c, value);
        if (value < 0 || !fits(w, e, value)) continue;
        if (does_nothing(e->of)) {
            e->l->value = value;
            e->l->status = TAP_LAYER_ALIAS;
            return true;
        }
        if (is_an_input(w, e, value) || is_anothers(w, e, value)) continue;
        found(w, e, value);
        return true;
    }
    return false;
}

/* The last node of what was one operation: the exporter calls those that it adds behind the first "Name__5".
 */
static const tap_node *end_of_operation(const matcher *w, const tap_node *n) {
    const tap_uses *u = w->f->uses;
    size_t length = strlen(n->src->name);
    for (;;) {
        tap_vid v = n->out[0];
        if (u->first[v + 1] - u->first[v] != 1) return n;
        const tap_node *next = w->g->nodes[u->users[u->first[v]]];
        bool same = strncmp(next->src->name, n->src->name, length) == 0 &&
                    strncmp(next->src->name + length, "__", 2) == 0;
        if (!length || !same || !makes_one(next)) return n;
        n = next;
    }
}

/* An operation of the model itself: the only node outside of all layers that takes just what the list says.
 */
static bool by_inputs(matcher *w, entry *e) {
    const tap_listed_call *c = call_of(e);
    const tap_uses *u = w->f->uses;
    if (!c || !c->n_inputs || e->module >= 0) return false;
    const entry *in = input_of(w, e, 0);
    if (!in || in->l->value < 0) return false;
    tap_vid v = w->f->vid[in->l->value];
    int32_t only = -1;
    for (int32_t i = u->first[v]; i < u->first[v + 1]; i++) {
        const tap_node *n = w->g->nodes[u->users[i]];
        int32_t m = w->f->tree->of_node[u->users[i]];
        if ((m >= 0 && w->f->tree->modules[m].name) || !makes_one(n) || only_asks_shape(n)) continue;
        size_t seen = 0, strange = 0, known = 0;
        for (size_t s = 0; s < c->n_inputs; s++) known += input_of(w, e, s) != NULL;
        for (int32_t k = 0; k < n->n_in; k++) {
            bool is = false;
            if (n->in[k] == TAP_NO_VALUE || !is_data(w, n->in[k])) continue;
            for (size_t s = 0; s < c->n_inputs && !is; s++) is = is_tensor_of(w, input_of(w, e, s), n->in[k]);
            seen += is;
            strange += !is;
        }
        if (strange || seen < known || tap_name_is_made_up(n->src->name)) continue;
        if (only >= 0 && only != u->users[i]) return false;
        only = u->users[i];
    }
    if (only < 0) return false;
    int32_t value = w->g->values[end_of_operation(w, w->g->nodes[only])->out[0]].global;
    if (!fits(w, e, value)) return false;
    found(w, e, value);
    return true;
}

static bool is_known_tensor(const matcher *w, tap_vid v) {
    const tap_gvalue *x = &w->g->values[without_moves(w, v)];
    return x->is_input || w->owner[x->global] >= 0;
}

/* "Resizing" and "Resize", "Multiply" and "Mul": the class is named after the operator, or the other way. */
static bool is_named_alike(const char *kind, const char *op) {
    size_t n = strlen(op) < 5 ? strlen(op) : 5;
    const char *dot = strrchr(kind, '.');
    return strncasecmp(dot ? dot + 1 : kind, op, n) == 0;
}

/* Without connections: an operation of the model itself between what was called before it and what was called
 * next, of a kind that its class tells. */
static bool by_place(matcher *w, entry *e) {
    tap_vid v[EXTERNAL_MAX];
    const entry *p = before(w, e), *next = e + 1;
    if (!p || e->module >= 0 || next == w->entries + w->n || next->module < 0) return false;
    if (p->l->value < 0 || external(w, next->module, v) != 1 || w->f->uses->position[v[0]] < 0) return false;
    int32_t at = w->f->uses->position[v[0]], m = w->f->tree->of_node[at];
    const tap_node *n = w->g->nodes[at];
    bool takes = false;
    if ((m >= 0 && w->f->tree->modules[m].name) || !is_named_alike(e->of->kind, n->src->op)) return false;
    for (int32_t k = 0; k < n->n_in; k++) {
        if (n->in[k] == TAP_NO_VALUE || !is_data(w, n->in[k])) continue;
        if (!is_known_tensor(w, n->in[k])) return false;
        takes |= is_tensor_of(w, p, n->in[k]);
    }
    if (!takes || !fits(w, e, w->g->values[v[0]].global)) return false;
    found(w, e, w->g->values[v[0]].global);
    return true;
}

/* An attention's second output are its weights: what its only Softmax gives. */
static bool by_attention(matcher *w, entry *e) {
    if (!is_kind(e->of, "Attention") || e->output != 1 || e->call || e->module < 0 || !e->of->n_outputs)
        return false;
    const tap_module *m = &w->f->tree->modules[e->module];
    int32_t only = -1;
    if (e->of->outputs[1].rank < 4) return false;
    for (int32_t i = m->first; i >= 0 && i <= m->last; i++) {
        const tap_node *n = w->g->nodes[i];
        if (!makes_one(n) || strcmp(n->src->op, "Softmax") != 0 ||
            !tap_module_has(w->f->tree, e->module, w->f->tree->of_node[i]))
            continue;
        if (only >= 0) return false;
        only = w->g->values[n->out[0]].global;
    }
    if (only < 0 || !fits(w, e, only)) return false;
    found(w, e, only);
    return true;
}

/* ---- One tensor under several names ---- */

static entry *leader_of(const matcher *w, entry *e) {
    while (&w->entries[e->leader] != e) e = &w->entries[e->leader];
    return e;
}

/* A layer that hands on what another gave has that one's tensor; where that is only there together with what
 * comes behind it, so it is for all of them. */
static void join_same(matcher *w) {
    for (size_t i = 0; i < w->n; i++) {
        entry *e = &w->entries[i];
        const tap_listed_call *c = call_of(e);
        if (!c || (size_t)e->output >= c->n_same) continue;
        const tap_listed_input *s = &c->same[e->output];
        entry *other = entry_of(w, s->layer, s->call, s->output);
        if (!other) continue;
        entry *a = leader_of(w, e), *b = leader_of(w, other);
        if (a < b) b->leader = a->leader;
        if (b < a) a->leader = b->leader;
    }
    for (size_t i = 0; i < w->n; i++)
        if (w->entries[i].l->status == TAP_LAYER_FOLDED)
            leader_of(w, &w->entries[i])->l->status = TAP_LAYER_FOLDED;
    for (size_t i = 0; i < w->n; i++) {
        entry *e = &w->entries[i];
        if (e->l->status == TAP_LAYER_FOLDED || leader_of(w, e)->l->status != TAP_LAYER_FOLDED) continue;
        if (e->carried < 0) e->carried = e->l->value;
        e->l->status = TAP_LAYER_FOLDED;
        e->l->value = -1;
    }
}

/* What the leader of the same tensor has, each takes, and gives the leader what it has. */
static bool by_same(matcher *w, entry *e) {
    entry *leader = leader_of(w, e);
    bool nothing = does_nothing(e->of);
    if (leader == e) return false;
    if (e->l->value >= 0 && leader->l->value < 0) {
        leader->l->value = e->l->value;
        leader->l->status = does_nothing(leader->of) ? TAP_LAYER_ALIAS : TAP_LAYER_FOUND;
        return true;
    }
    if (e->l->value >= 0 || leader->l->value < 0 || !fits(w, e, leader->l->value)) return false;
    e->l->value = leader->l->value;
    e->l->status = nothing ? TAP_LAYER_ALIAS : TAP_LAYER_FOUND;
    return true;
}

/* ---- What did nothing, what was merged ---- */

static bool by_doing_nothing(matcher *w, entry *e) {
    if (!does_nothing(e->of)) return false;
    const entry *in = only_input(w, e);
    if (!in || in->l->value < 0 || !fits(w, e, in->l->value)) return false;
    if (!w->linked) {
        /* What comes next has to take it as it is. */
        const entry *next = e + 1;
        tap_vid v[EXTERNAL_MAX];
        while (next < w->entries + w->n && does_nothing(next->of)) next++;
        if (next == w->entries + w->n || next->module < 0) return false;
        int32_t n = external(w, next->module, v);
        bool takes = false;
        for (int32_t i = 0; i < n && n <= EXTERNAL_MAX; i++) takes |= is_tensor_of(w, in, v[i]);
        if (!takes) return false;
    }
    e->l->value = in->l->value;
    e->l->status = TAP_LAYER_ALIAS;
    return true;
}

/* A normalisation whose convolution carries it. */
static bool by_merging(matcher *w, entry *e) {
    if (!is_kind(e->of, "BatchNorm") || e->module >= 0) return false;
    const entry *in = only_input(w, e);
    if (!in || in->l->status != TAP_LAYER_FOLDED || in->carried < 0 || !fits(w, e, in->carried)) return false;
    found(w, e, in->carried);
    const char **merged = tap_arena_array(w->arena, 1, sizeof *merged);
    if (!merged) {
        w->no_memory = true;
        return false;
    }
    merged[0] = in->of->name;
    e->l->merged = merged;
    e->l->n_merged = 1;
    return true;
}

/* TFLite's last operation has no name: it is the layer's own activation, if the list says that it has one. */
static bool by_activation(matcher *w, entry *e) {
    const tap_uses *u = w->f->uses;
    if (!w->f->tree->grouped || e->module < 0 || !*e->of->activation) return false;
    int32_t i = u->of[e->module].first_leaver;
    if (i < 0 || u->leavers[i].next >= 0) return false;
    tap_vid v = u->leavers[i].v;
    if (u->first[v + 1] - u->first[v] != 1) return false;
    const tap_node *end = w->g->nodes[u->users[u->first[v]]];
    if (w->f->tree->of_node[u->users[u->first[v]]] >= 0 || !makes_one(end)) return false;
    bool own = strcmp(e->of->activation, "linear") != 0;
    if (own && strcasecmp(end->src->op, e->of->activation) != 0) return false;
    int32_t value = w->g->values[own ? end->out[0] : v].global;
    if (!fits(w, e, value)) return false;
    found(w, e, value);
    return true;
}

/* A chain in the model ends with the layer in it that was called last, call by call. */
static bool by_last_inside(matcher *w, entry *e) {
    size_t n = strlen(e->of->name), at = (size_t)(e->of - w->list->layers);
    if (!is_kind(e->of, "Sequential") || at == 0 || outputs_of(e->of) != 1) return false;
    const tap_listed_layer *last = &w->list->layers[at - 1];
    char separator = last->name[strlen(last->name) > n ? n : 0];
    bool inside = strncmp(last->name, e->of->name, n) == 0 && (separator == '/' || separator == '.');
    if (!inside || outputs_of(last) != 1 || calls_of(last) != calls_of(e->of)) return false;
    const entry *in = &w->entries[w->first[at - 1] + (size_t)e->call];
    if (in->l->value < 0 || !fits(w, e, in->l->value)) return false;
    found(w, e, in->l->value);
    return true;
}

static void settle(matcher *w) {
    bool changed = true;
    for (int round = 0; changed && round < 64; round++) {
        changed = false;
        for (size_t i = 0; i < w->n && !w->f->tree->rounded; i++) {
            entry *e = &w->entries[i];
            changed |= by_same(w, e);
            if (e->l->value >= 0 || (e->l->status == TAP_LAYER_FOLDED && e->carried >= 0)) continue;
            changed |= by_doing_nothing(w, e) || by_merging(w, e) || by_last_inside(w, e) ||
                       by_inputs(w, e) || by_consumers(w, e) || by_activation(w, e) || by_place(w, e) ||
                       by_attention(w, e);
        }
    }
}

/* ---- Entries ---- */

static tap_status make_entries(matcher *w, tap_layer **out, tap_error *err) {
    size_t n = 0;
    w->first = tap_arena_array(w->arena, w->list->n, sizeof *w->first);
    if (!w->first) return tap_error_no_memory(err, w->list->n);
    for (size_t i = 0; i < w->list->n; i++) {
        const tap_listed_layer *l = &w->list->layers[i];
        size_t each;
        if (!tap_mul_size(calls_of(l), outputs_of(l), &each) || each > ENTRIES_MAX - n)
            return tap_error_no_memory(err, SIZE_MAX);
        w->first[i] = n;
        n += each;
        if (!tap_map_put(&w->layers, l->name, (int32_t)i)) return tap_error_no_memory(err, n);
        for (size_t c = 0; c < l->n_calls; c++) w->linked |= l->calls[c].n_inputs > 0;
    }
    w->entries = tap_arena_array(w->arena, n, sizeof *w->entries);
    *out = tap_arena_array(w->arena, n, sizeof **out);
    if (!w->entries || !*out) return tap_error_no_memory(err, n * sizeof *w->entries);
    for (size_t i = 0; i < w->list->n; i++) {
        const tap_listed_layer *l = &w->list->layers[i];
        for (size_t k = 0; k < calls_of(l) * outputs_of(l); k++) {
            int32_t call = (int32_t)(k / outputs_of(l)), output = (int32_t)(k % outputs_of(l));
            w->entries[w->n] = (entry){l, call, output, -1, -1, (int32_t)w->n, *out + w->n};
            (*out)[w->n] = (tap_layer){.name = l->name,
                                       .kind = *l->kind ? l->kind : NULL,
                                       .call = call,
                                       .output = output,
                                       .value = -1,
                                       .rank = -1,
                                       .status = TAP_LAYER_UNKNOWN};
            w->n++;
        }
    }
    return TAP_OK;
}

/* Who takes what each entry gives. */
static tap_status make_links(matcher *w, tap_error *err) {
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        const tap_listed_call *c = call_of(&w->entries[i]);
        if (c && w->entries[i].output == 0) n += c->n_inputs;
    }
    w->links = tap_arena_array(w->arena, n, sizeof *w->links);
    w->first_link = tap_arena_array(w->arena, w->n, sizeof *w->first_link);
    if (!w->links || !w->first_link || n > INT32_MAX) return tap_error_no_memory(err, n * sizeof *w->links);
    for (size_t i = 0; i < w->n; i++) w->first_link[i] = -1;
    n = 0;
    for (size_t i = 0; i < w->n; i++) {
        const tap_listed_call *c = call_of(&w->entries[i]);
        for (size_t k = 0; c && w->entries[i].output == 0 && k < c->n_inputs; k++) {
            const entry *from = input_of(w, &w->entries[i], k);
            if (!from) continue;
            w->links[n] = (struct link){(int32_t)i, w->first_link[from - w->entries]};
            w->first_link[from - w->entries] = (int32_t)n++;
        }
    }
    return TAP_OK;
}

/* What a convolution that was merged with what follows puts out: it has another layer's output. */
static void note_carried(matcher *w, entry *e) {
    if (e->l->status != TAP_LAYER_FOLDED || e->module < 0) return;
    const tap_uses *u = w->f->uses;
    int32_t i = u->of[e->module].first_leaver;
    if (i >= 0 && u->leavers[i].next < 0) e->carried = w->g->values[u->leavers[i].v].global;
}

tap_status tap_layers_match(const tap_layer_facts *facts, const tap_layer_list *list, tap_arena *arena,
                            tap_layer **out, size_t *n, tap_error *err) {
    matcher w = {.f = facts, .g = facts->b->main, .list = list, .arena = arena};
    tap_map_init(&w.layers, facts->b->budget);
    tap_map_init(&w.known, facts->b->budget);
    tap_status st = make_entries(&w, out, err);
    if (st == TAP_OK) st = make_links(&w, err);
    w.owner = tap_arena_array(arena, (size_t)facts->b->n_values, sizeof *w.owner);
    if (st == TAP_OK && !w.owner) st = tap_error_no_memory(err, (size_t)facts->b->n_values);
    for (int32_t i = 0; st == TAP_OK && i < facts->b->n_values; i++) w.owner[i] = -1;
    for (size_t i = 0; st == TAP_OK && i < facts->n; i++) {
        const tap_layer *l = &facts->layers[i];
        if (!tap_map_put(&w.known, label(&w, l->name, l->call, l->output), (int32_t)i)) w.no_memory = true;
    }
    w.same_batch = st == TAP_OK && has_same_batch(&w);
    for (size_t i = 0; st == TAP_OK && i < w.n; i++) take_known(&w, &w.entries[i]);
    for (size_t i = 0; st == TAP_OK && i < w.n; i++) choose_by_shape(&w, &w.entries[i]);
    for (size_t i = 0; st == TAP_OK && i < w.n; i++) note_carried(&w, &w.entries[i]);
    if (st == TAP_OK) join_same(&w);
    if (st == TAP_OK) settle(&w);
    if (st == TAP_OK && w.no_memory) st = tap_error_no_memory(err, w.n * sizeof *w.entries);
    tap_map_free(&w.layers);
    tap_map_free(&w.known);
    *n = w.n;
    return st;
}
