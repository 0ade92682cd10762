/* The names of a model that are nearest to one that it does not have. */
#include "tap/nearest.h"

#include <string.h>

#define NAMES     5
#define LENGTH    200
#define NAMES_MAX 20000

typedef struct near_name {
    const char *name;
    int distance;
} near_name;

static int least(int a, int b, int c) {
    return a < b ? (a < c ? a : c) : (b < c ? b : c);
}

/* Edits that turn a into b; a name that contains the other counts as near. */
static int distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    int row[LENGTH + 1];
    if (n > LENGTH || m > LENGTH) return LENGTH;
    if (strstr(b, a)) return 1;
    for (size_t j = 0; j <= m; j++) row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int corner = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int up = row[j];
            row[j] = least(up + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1]));
            corner = up;
        }
    }
    return row[m];
}

static void consider(near_name *best, const char *name, int d) {
    for (int i = 0; i < NAMES; i++) {
        if (best[i].name && best[i].distance <= d) continue;
        memmove(best + i + 1, best + i, (size_t)(NAMES - 1 - i) * sizeof *best);
        best[i] = (near_name){name, d};
        return;
    }
}

static void add_best(const near_name *best, const char *name, tap_text *t) {
    int worst = (int)strlen(name) / 2 + 2;
    for (int i = 0; i < NAMES && best[i].name; i++)
        if (i == 0 || best[i].distance <= worst) tap_text_add(t, "%s'%s'", i ? ", " : "", best[i].name);
}

void tap_nearest_names(const tap_bound *b, const char *name, tap_text *t) {
    near_name best[NAMES] = {{0}};
    size_t seen = 0;
    for (size_t g = 0; g < b->n_graphs; g++)
        for (size_t v = 0; v < b->graphs[g]->n_values && seen < NAMES_MAX; v++) {
            const tap_gvalue *x = &b->graphs[g]->values[v];
            if (x->outer != TAP_NO_VALUE) continue;
            seen++;
            consider(best, x->full, distance(name, x->full));
        }
    add_best(best, name, t);
}

void tap_nearest_layers(const tap_layer_index *x, const char *name, tap_text *t) {
    near_name best[NAMES] = {{0}};
    for (size_t i = 0; i < x->n && i < NAMES_MAX; i++)
        consider(best, x->layers[i].key, distance(name, x->layers[i].key));
    add_best(best, name, t);
}
