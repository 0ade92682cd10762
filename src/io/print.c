/* Tensors as NumPy prints them (numpy.array2string): floats of one tensor with the same number of places,
 * large tensors with their edges only, lines of at most 75 characters. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/element.h"
#include "onnxtap/record.h"

#define LINE_WIDTH 75
#define WORD_ROOM  400

/* How elements of this tensor are written. */
typedef struct look {
    bool real, scientific;
    int precision;   /* at most so many places               */
    int left, right; /* widths before and behind the point   */
    int width;       /* of what is no float                  */
} look;

typedef struct printer {
    const tap_tensor *t;
    int64_t edge; /* elements shown at each end of an axis; 0: all */
    look look;
    char *s, *line;
    size_t n, room, n_line, room_line;
    bool failed;
} printer;

/* ---- Text ---- */

static void grow(printer *p, char **s, size_t *room, size_t n) {
    if (n + 1 <= *room) return;
    char *q = realloc(*s, 2 * n + 64);
    if (!q) {
        p->failed = true;
        return;
    }
    *s = q;
    *room = 2 * n + 64;
}

static void add(printer *p, const char *text, size_t n) {
    grow(p, &p->s, &p->room, p->n + n);
    if (p->failed) return;
    memcpy(p->s + p->n, text, n);
    p->n += n;
    p->s[p->n] = '\0';
}

static void add_line(printer *p, const char *text, size_t n) {
    grow(p, &p->line, &p->room_line, p->n_line + n);
    if (p->failed) return;
    memcpy(p->line + p->n_line, text, n);
    p->n_line += n;
}

static void spaces(printer *p, int64_t n) {
    for (; n > 0; n--) add(p, " ", 1);
}

/* A word at the end of the line, or of a new one that begins with `indent` spaces. */
static void add_word(printer *p, const char *word, int64_t indent, int64_t width) {
    size_t n = strlen(word);
    if ((int64_t)(p->n_line + n) > width && (int64_t)p->n_line > indent) {
        while (p->n_line > 0 && p->line[p->n_line - 1] == ' ') p->n_line--;
        add(p, p->line, p->n_line);
        add(p, "\n", 1);
        p->n_line = 0;
        for (int64_t i = 0; i < indent; i++) add_line(p, " ", 1);
    }
    add_line(p, word, n);
}

/* ---- Elements ---- */

static bool reads_back(const tap_tensor *t, const char *text, double x) {
    if (t->dtype == TAP_DOUBLE) return strtod(text, NULL) == x;
    return strtof(text, NULL) == (float)x;
}

/* The fewest places, up to the precision, that tell x from its neighbours; trailing zeros go, the point
 * stays. */
static void real_text(const tap_tensor *t, const look *l, double x, char *out) {
    const char *form = l->scientific ? "%.*e" : "%.*f";
    for (int places = 0; places <= l->precision; places++) {
        snprintf(out, WORD_ROOM, form, places, x);
        if (reads_back(t, out, x)) break;
    }
    char *point = strchr(out, '.'), *e = strchr(out, 'e'), tail[32] = "";
    if (e) snprintf(tail, sizeof tail, "%s", e);
    if (e) *e = '\0';
    if (point) {
        char *end = out + strlen(out);
        while (end[-1] == '0') *--end = '\0';
    } else {
        strcat(out, ".");
    }
    strcat(out, tail);
}

static void element_text(const printer *p, int64_t i, char *out) {
    const tap_tensor *t = p->t;
    double x = 0;
    if (!p->look.real) {
        if (t->dtype == TAP_BOOL)
            snprintf(out, WORD_ROOM, "%s", ((const uint8_t *)t->data)[i] ? "True" : "False");
        else
            tap_tensor_text(t, i, out, WORD_ROOM);
        return;
    }
    tap_tensor_doubles(t, i, 1, &x);
    if (isnan(x))
        snprintf(out, WORD_ROOM, "nan");
    else if (isinf(x))
        snprintf(out, WORD_ROOM, x > 0 ? "inf" : "-inf");
    else
        real_text(t, &p->look, x, out);
}

/* The element, padded as the look says. */
static void word_of(const printer *p, int64_t i, char *out) {
    char text[WORD_ROOM], padded[2 * WORD_ROOM];
    const look *l = &p->look;
    element_text(p, i, text);
    char *point = strchr(text, '.'), *e = point ? strchr(text, 'e') : NULL;
    if (!l->real) {
        bool left = p->t->dtype == TAP_STRING;
        snprintf(padded, sizeof padded, left ? "%-*s" : "%*s", l->width, text);
    } else if (!point) {
        int all = l->left + l->right + 1 + (l->scientific ? 4 : 0);
        snprintf(padded, sizeof padded, "%*s", all, text);
    } else if (e) {
        int zeros = l->right - (int)(e - point - 1);
        snprintf(padded, sizeof padded, "%*s%.*s%.*s%s", l->left - (int)(point - text), "", (int)(e - text),
                 text, zeros > 0 ? zeros : 0, "0000000000000000000000000", e);
    } else {
        snprintf(padded, sizeof padded, "%*s%-*s", l->left - (int)(point - text), "",
                 (int)(point - text) + 1 + l->right, text);
    }
    memcpy(out, padded, strlen(padded) + 1);
}

/* ---- Which elements ---- */

typedef void visit_fn(printer *p, int64_t i);

static int64_t shown(const printer *p, int axis) {
    int64_t n = p->t->dims[axis];
    return p->edge > 0 && n > 2 * p->edge ? 2 * p->edge : n;
}

/* The k-th of those shown, along the axis. */
static int64_t position(const printer *p, int axis, int64_t k) {
    int64_t n = p->t->dims[axis];
    return shown(p, axis) < n && k >= p->edge ? n - 2 * p->edge + k : k;
}

static void visit(printer *p, int axis, int64_t at, visit_fn *fn) {
    if (axis == p->t->rank) {
        fn(p, at);
        return;
    }
    for (int64_t k = 0; k < shown(p, axis); k++)
        visit(p, axis + 1, at * p->t->dims[axis] + position(p, axis, k), fn);
}

typedef struct extremes {
    double most, least;
} extremes;

static void see_size(const printer *p, int axis, int64_t at, extremes *x) {
    double v = 0;
    if (axis < p->t->rank) {
        for (int64_t k = 0; k < shown(p, axis); k++)
            see_size(p, axis + 1, at * p->t->dims[axis] + position(p, axis, k), x);
        return;
    }
    tap_tensor_doubles(p->t, at, 1, &v);
    v = fabs(v);
    if (!isfinite(v) || v == 0) return;
    if (v > x->most) x->most = v;
    if (x->least == 0 || v < x->least) x->least = v;
}

static void see_width(printer *p, int64_t i) {
    char text[WORD_ROOM];
    element_text(p, i, text);
    int n = (int)strlen(text);
    if (n > p->look.width) p->look.width = n;
    char *point = p->look.real ? strchr(text, '.') : NULL, *e = point ? strchr(text, 'e') : NULL;
    if (!point) return;
    int left = (int)(point - text), right = (int)((e ? e : text + n) - point) - 1;
    if (left > p->look.left) p->look.left = left;
    if (right > p->look.right) p->look.right = right;
}

static void see_special(printer *p, int64_t i) {
    double x = 0;
    tap_tensor_doubles(p->t, i, 1, &x);
    int n = isnan(x) ? 3 : isinf(x) ? 3 + (x < 0) : 0, has = p->look.left + p->look.right + 1;
    if (n > has) p->look.left += n - has;
}

/* As numpy's FloatingFormat chooses: the exponent form where numbers are large, small, or far apart. */
static void choose_look(printer *p, int precision) {
    p->look = (look){.precision = precision, .real = tap_class_of(p->t->dtype) == TAP_CLASS_REAL};
    if (p->look.real) {
        extremes x = {0, 0};
        see_size(p, 0, 0, &x);
        p->look.scientific = x.least > 0 && (x.most >= 1e8 || x.least < 1e-4 || x.most / x.least > 1000);
    }
    visit(p, 0, 0, see_width);
    if (p->look.real) visit(p, 0, 0, see_special);
}

/* ---- Brackets ---- */

static void put_axis(printer *p, int axis, int64_t at, int64_t indent, int64_t width);

static void put_last(printer *p, int axis, int64_t at, int64_t indent, int64_t width) {
    char word[2 * WORD_ROOM];
    int64_t n = shown(p, axis);
    bool cut = n < p->t->dims[axis];
    p->n_line = 0;
    for (int64_t i = 0; i < indent; i++) add_line(p, " ", 1);
    for (int64_t k = 0; k < n; k++) {
        if (cut && k == p->edge) {
            add_word(p, "...", indent, width - 1);
            add_line(p, " ", 1);
        }
        word_of(p, at * p->t->dims[axis] + position(p, axis, k), word);
        add_word(p, word, indent, width - 1);
        if (k + 1 < n) add_line(p, " ", 1);
    }
    add(p, p->line, p->n_line);
}

static void put_rows(printer *p, int axis, int64_t at, int64_t indent, int64_t width) {
    int64_t n = shown(p, axis);
    for (int64_t k = 0; k < n; k++) {
        if (n < p->t->dims[axis] && k == p->edge) {
            spaces(p, indent);
            add(p, "...", 3);
            for (int i = axis + 1; i < p->t->rank; i++) add(p, "\n", 1);
        }
        spaces(p, indent);
        put_axis(p, axis + 1, at * p->t->dims[axis] + position(p, axis, k), indent + 1, width - 1);
        for (int i = axis + 1; k + 1 < n && i < p->t->rank; i++) add(p, "\n", 1);
    }
}

static void put_axis(printer *p, int axis, int64_t at, int64_t indent, int64_t width) {
    size_t begin = p->n;
    if (axis == p->t->rank - 1)
        put_last(p, axis, at, indent, width);
    else
        put_rows(p, axis, at, indent, width);
    if (p->failed || p->n < begin + (size_t)indent) return;
    /* The bracket takes the place of the first line's indent. */
    memmove(p->s + begin + 1, p->s + begin + indent, p->n - begin - (size_t)indent + 1);
    p->s[begin] = '[';
    p->n -= (size_t)indent - 1;
    add(p, "]", 1);
}

char *tap_tensor_print(const tap_tensor *t, const tap_print_options *options) {
    tap_print_options o = {.size = sizeof o};
    if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (o.edge_items <= 0) o.edge_items = 3;
    if (o.precision <= 0) o.precision = 8;
    if (o.precision > 17) o.precision = 17;
    if (o.threshold <= 0) o.threshold = 1000;
    printer p = {.t = t, .edge = t->count > o.threshold ? o.edge_items : 0};
    add(&p, "", 0);
    if (t->count == 0) {
        add(&p, "[]", 2);
    } else {
        choose_look(&p, o.precision);
        if (t->rank == 0) {
            char word[2 * WORD_ROOM];
            element_text(&p, 0, word);
            add(&p, word, strlen(word));
        } else {
            put_axis(&p, 0, 0, 1, LINE_WIDTH);
        }
    }
    free(p.line);
    if (!p.failed) return p.s;
    free(p.s);
    return NULL;
}
