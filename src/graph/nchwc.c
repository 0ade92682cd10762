/* The layout NCHWc, in which ONNX Runtime keeps images once its layout optimiser has gone over a model:
 * channels in blocks of 8 or 16, [N][C / block][H][W][block], while the shape stays [N, C, H, W]. Here such a
 * value is what its shape says, NCHW with C as it was filled up to whole blocks; only weights have to be put
 * in order, and a Reshape that splits the blocks off or joins them again. The file does not say how large a
 * block is: the nodes tell, and where all sizes fit to both, it is what ONNX Runtime would take on this CPU.
 */
#include <string.h>

#include "core/cpu.h"
#include "graph/scope.h"

#define DOMAIN "com.microsoft.nchwc"

enum { SMALL = 8, LARGE = 16 };

/* What a value is, by the node that makes it. */
typedef enum kind { UNKNOWN, ASKED, PLAIN, BLOCKED, SPLIT } kind;

/* A node whose inputs from `input` on have not been looked at. */
typedef struct step {
    size_t node, input;
} step;

typedef struct view {
    tap_binder *bd;
    const tap_src_graph *g;
    tap_map makers, inits; /* name -> node, initializer */
    uint8_t *kinds;        /* of nodes */
    step *stack;           /* room for each node */
} view;

static bool is_nchwc(const tap_src_node *n, const char *op) {
    return strcmp(n->domain, DOMAIN) == 0 && (!op || strcmp(n->op, op) == 0);
}

static bool has_nchwc(const tap_src_graph *g) {
    for (size_t i = 0; i < g->n_nodes; i++)
        if (is_nchwc(&g->nodes[i], NULL)) return true;
    return false;
}

static void view_free(view *v) {
    tap_map_free(&v->makers);
    tap_map_free(&v->inits);
}

static bool view_init(view *v, tap_binder *bd, const tap_src_graph *g) {
    bool ok = true;
    *v = (view){.bd = bd, .g = g};
    tap_map_init(&v->makers, bd->b->budget);
    tap_map_init(&v->inits, bd->b->budget);
    v->kinds = tap_arena_array(bd->b->arena, g->n_nodes, sizeof *v->kinds);
    v->stack = tap_arena_array(bd->b->arena, g->n_nodes, sizeof *v->stack);
    for (size_t i = 0; i < g->n_inits && ok; i++) ok = tap_map_put(&v->inits, g->inits[i].name, (int32_t)i);
    for (size_t i = 0; i < g->n_nodes && ok; i++)
        for (size_t k = 0; k < g->nodes[i].n_outputs && ok; k++)
            if (*g->nodes[i].outputs[k]) ok = tap_map_put(&v->makers, g->nodes[i].outputs[k], (int32_t)i);
    if (ok && v->kinds && v->stack) return true;
    view_free(v);
    tap_error_no_memory(bd->err, g->n_nodes);
    return false;
}

static const tap_src_tensor *init_of(const view *v, const tap_src_node *n, size_t input) {
    const int32_t i = input < n->n_inputs ? tap_map_get(&v->inits, n->inputs[input], -1) : -1;
    return i < 0 ? NULL : &v->g->inits[i];
}

static const tap_src_node *maker_of(const view *v, const tap_src_node *n, size_t input) {
    const int32_t i =
        input < n->n_inputs && *n->inputs[input] ? tap_map_get(&v->makers, n->inputs[input], -1) : -1;
    return i < 0 ? NULL : &v->g->nodes[i];
}

static int64_t int_attr(const tap_src_node *n, const char *name, int64_t otherwise) {
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, name) == 0 && n->attrs[i].kind == TAP_ATTR_INT) return n->attrs[i].u.i;
    return otherwise;
}

/* The block of a Reshape to [0, -1, 0, 0, block]; 1: to [0, -1, 0, 0]; 0: to another shape. */
static int reshaped(const view *v, const tap_src_node *n) {
    static const int64_t front[] = {0, -1, 0, 0};
    int64_t dims[5] = {0, 0, 0, 0, 1};
    const tap_src_tensor *t = !*n->domain && strcmp(n->op, "Reshape") == 0 ? init_of(v, n, 1) : NULL;
    if (!t || t->missing || t->dtype != TAP_INT64 || t->rank != 1 || (t->count != 4 && t->count != 5))
        return 0;
    for (int64_t i = 0; i < t->count; i++) {
        const unsigned char *p = (const unsigned char *)t->data + i * 8;
        uint64_t u = 0;
        for (int k = 7; k >= 0; k--) u = u << 8 | p[k];
        if (t->encoding == TAP_STORED) memcpy(&u, p, sizeof u);
        memcpy(&dims[i], &u, sizeof u);
    }
    if (memcmp(dims, front, sizeof front) != 0) return 0;
    return dims[4] == 1 || dims[4] == SMALL || dims[4] == LARGE ? (int)dims[4] : 0;
}

/* ---- How large a block is ---- */

/* A block that the node cannot have been made with is taken out: bit 0 SMALL, bit 1 LARGE. */
static unsigned fits(const view *v, const tap_src_node *n) {
    const tap_src_tensor *w = is_nchwc(n, "Conv") ? init_of(v, n, 1) : NULL;
    const tap_src_node *maker = is_nchwc(n, "ReorderOutput") ? maker_of(v, n, 0) : NULL;
    unsigned both = 3;
    if (w && w->rank == 4) {
        const int64_t m = w->dims[0], c = w->dims[1];
        if (m % LARGE) both &= 1;
        if (int_attr(n, "group", 1) == 1 && c > SMALL && c % SMALL) both &= 2; /* NCHW: fewer than a block */
        if (int_attr(n, "group", 1) == 1 && c > LARGE && c % LARGE) both &= 1;
    }
    w = maker && is_nchwc(maker, "Conv") ? init_of(v, maker, 1) : NULL;
    if (w && w->rank == 4 && w->dims[0] - int_attr(n, "channels", w->dims[0]) >= SMALL) both &= 2;
    if (reshaped(v, n) == SMALL && maker_of(v, n, 0) && is_nchwc(maker_of(v, n, 0), NULL)) both &= 1;
    if (reshaped(v, n) == LARGE && maker_of(v, n, 0) && is_nchwc(maker_of(v, n, 0), NULL)) both &= 2;
    return both;
}

static int block_of(const view *v) {
    unsigned both = 3;
    for (size_t i = 0; i < v->g->n_nodes; i++) both &= fits(v, &v->g->nodes[i]);
    if (both == 1) return SMALL;
    if (both == 2) return LARGE;
    return tap_cpu_best() == TAP_ISA_LEVEL_AVX512 ? LARGE : SMALL;
}

/* ---- What values are ---- */

static kind kind_at(const view *v, const tap_src_node *n, size_t input) {
    const tap_src_node *maker = maker_of(v, n, input);
    return maker ? (kind)v->kinds[maker - v->g->nodes] : PLAIN;
}

/* Of what a node makes, once its inputs are known. */
static kind made_by(const view *v, const tap_src_node *n) {
    const int block = reshaped(v, n);
    if (is_nchwc(n, NULL)) return strcmp(n->op, "ReorderOutput") == 0 ? PLAIN : BLOCKED;
    if (block > 1 && kind_at(v, n, 0) == BLOCKED) return SPLIT;
    if (block == 1 && kind_at(v, n, 0) == SPLIT) return BLOCKED;
    kind most = PLAIN;
    for (size_t i = 0; i < n->n_inputs; i++)
        if (kind_at(v, n, i) > most) most = kind_at(v, n, i);
    return most;
}

/* A node's inputs first, without recursion: chains may be long, and go in a circle. */
static void find_kind(view *v, size_t node) {
    size_t n = 0;
    if (v->kinds[node] == UNKNOWN) v->stack[n++] = (step){node, 0};
    while (n > 0) {
        step *s = &v->stack[n - 1];
        const tap_src_node *x = &v->g->nodes[s->node];
        v->kinds[s->node] = ASKED;
        const size_t inputs = is_nchwc(x, NULL) ? 0 : x->n_inputs;
        const tap_src_node *maker = NULL;
        while (s->input < inputs && !maker) {
            maker = maker_of(v, x, s->input++);
            if (maker && v->kinds[maker - v->g->nodes] != UNKNOWN) maker = NULL;
        }
        if (maker) {
            v->stack[n++] = (step){(size_t)(maker - v->g->nodes), 0};
            continue;
        }
        v->kinds[s->node] = (uint8_t)made_by(v, x);
        n--;
    }
}

/* ---- The nodes as they are bound ---- */

/* n with an attribute more, which says how large a block is. */
static bool add_block(tap_binder *bd, tap_src_node *n, int block) {
    tap_src_attr *attrs = tap_arena_array(bd->b->arena, n->n_attrs + 1, sizeof *attrs);
    if (!attrs) return false;
    if (n->n_attrs) memcpy(attrs, n->attrs, n->n_attrs * sizeof *attrs);
    attrs[n->n_attrs++] =
        (tap_src_attr){.name = "block", .kind = TAP_ATTR_INT, .ref = "", .n = 1, .u = {.i = block}};
    n->attrs = attrs;
    return true;
}

static bool mark(view *v, tap_src_node *n, size_t at, int block) {
    const int to = reshaped(v, n);
    if (is_nchwc(n, "Conv") || is_nchwc(n, "ReorderInput")) return add_block(v->bd, n, block);
    if (!to) return true;
    find_kind(v, at);
    const kind made = (kind)v->kinds[at];
    if ((to > 1) != (made == SPLIT) || (to == 1 && made != BLOCKED)) return true;
    n->domain = DOMAIN;
    n->op = to > 1 ? "SplitBlocks" : "JoinBlocks";
    return add_block(v->bd, n, to > 1 ? to : block);
}

tap_status tap_bind_nchwc(tap_binder *bd, const tap_src_graph *g, const tap_src_node **nodes) {
    view v;
    *nodes = g->nodes;
    if (!has_nchwc(g)) return TAP_OK;
    if (!view_init(&v, bd, g)) return TAP_MEMORY;
    tap_src_node *list = tap_arena_array(bd->b->arena, g->n_nodes, sizeof *list);
    bool ok = list != NULL;
    if (ok) memcpy(list, g->nodes, g->n_nodes * sizeof *list);
    const int block = block_of(&v);
    for (size_t i = 0; i < g->n_nodes && ok; i++) ok = mark(&v, &list[i], i, block);
    view_free(&v);
    *nodes = list;
    return ok ? TAP_OK : tap_error_no_memory(bd->err, g->n_nodes * sizeof *list);
}
