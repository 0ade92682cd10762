/* The demo's last step: are the layers that onnxtap tapped what Keras computed?
 *
 *     demo_compare TRACE.npz FOLDER
 *
 * TRACE.npz is what `onnxtap run ... -o` wrote. FOLDER holds keras.npz (layer name -> Keras's array),
 * labels.npy (the digits) and layers.txt: a line a layer, with the tensor that carries it and the order of
 * axes that leads to Keras's. Prints a line per picture and a line per layer. Exit status as the command's: 0
 * equal, 1 not, 2 wrong use, 3 unreadable, 6 nothing compared. */
#include <onnxtap/onnxtap.h>
#include <onnxtap/record.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define RTOL       1e-4
#define ATOL       1e-5
#define LAYERS_MAX 64

typedef struct layer {
    const char *name, *kind, *tensor;
    int axes[TAP_RANK_MAX]; /* numpy.transpose(tensor, axes) is Keras's array */
    int rank;               /* 0: the exporter left no tensor with this layer's output */
} layer;

typedef struct job {
    char text[8192]; /* of layers.txt, cut into the fields */
    layer layers[LAYERS_MAX];
    size_t n;
    tap_archive *trace, *keras;
    tap_value *labels;
    size_t compared, different;
} job;

static tap_status fail(tap_error *err, tap_status code, const char *what, const char *which) {
    err->code = code;
    snprintf(err->text, sizeof err->text, "%.1000s: %s", which, what);
    return code;
}

/* ---- Reading ---- */

/* Splits "name \t class \t tensor \t axes" in place. False if it is not of that form. */
static bool parse_layer(char *line, layer *out) {
    char *field[4] = {line, NULL, NULL, NULL};
    for (int i = 1; i < 4; i++) {
        char *tab = strchr(field[i - 1], '\t');
        if (!tab) return false;
        *tab = '\0';
        field[i] = tab + 1;
    }
    *out = (layer){.name = field[0], .kind = field[1], .tensor = field[2]};
    if (strcmp(field[3], "-") == 0) return true;
    int axis, used;
    for (const char *p = field[3]; sscanf(p, "%d%n", &axis, &used) == 1; p += used) {
        if (out->rank == TAP_RANK_MAX || axis < 0 || axis >= TAP_RANK_MAX) return false;
        out->axes[out->rank++] = axis;
    }
    return out->rank > 0;
}

static tap_status read_layers(job *j, const char *path, tap_error *err) {
    FILE *file = fopen(path, "r");
    if (!file) return fail(err, TAP_IO, "cannot be read", path);
    const size_t n = fread(j->text, 1, sizeof j->text - 1, file);
    const bool whole = feof(file) && !ferror(file);
    fclose(file);
    if (!whole) return fail(err, TAP_DATA, "is too long", path);
    j->text[n] = '\0';
    for (char *line = j->text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (j->n == LAYERS_MAX || !parse_layer(line, &j->layers[j->n++]))
            return fail(err, TAP_DATA, "not lines of four fields", path);
    }
    return TAP_OK;
}

static tap_status open_files(job *j, const char *trace, const char *folder, tap_error *err) {
    char path[1024];
    tap_status s = tap_archive_open(trace, &j->trace, err);
    snprintf(path, sizeof path, "%s/layers.txt", folder);
    if (s == TAP_OK) s = read_layers(j, path, err);
    snprintf(path, sizeof path, "%s/labels.npy", folder);
    if (s == TAP_OK) s = tap_value_load(path, NULL, &j->labels, err);
    snprintf(path, sizeof path, "%s/keras.npz", folder);
    if (s == TAP_OK) s = tap_archive_open(path, &j->keras, err);
    if (s == TAP_OK && tap_archive_count(j->keras) != j->n)
        s = fail(err, TAP_DATA, "has other layers than layers.txt", path);
    return s;
}

/* A layer's tensor in the trace, and its array in keras.npz. Ownership: the caller releases both. */
static tap_status load_pair(const job *j, const layer *l, tap_value **ours, tap_value **keras,
                            tap_error *err) {
    *ours = *keras = NULL;
    tap_status s = tap_archive_load(j->keras, l->name, NULL, keras, err);
    if (s == TAP_OK) s = tap_archive_load(j->trace, l->tensor, NULL, ours, err);
    if (s != TAP_OK) return s;
    const tap_tensor *a = tap_value_tensor(*ours), *b = tap_value_tensor(*keras);
    if (tap_tensor_dtype(a) != TAP_FLOAT || tap_tensor_dtype(b) != TAP_FLOAT)
        return fail(err, TAP_DATA, "not float32", l->name);
    return TAP_OK;
}

/* ---- Comparing ---- */

/* steps: elements of the tensor between neighbours along each axis of the reference. False if the shapes do
 * not agree. */
static bool permuted_steps(const tap_tensor *tensor, const tap_tensor *reference, const layer *l,
                           int64_t *steps) {
    const int rank = tap_tensor_rank(tensor);
    const int64_t *dims = tap_tensor_dims(tensor);
    int64_t own[TAP_RANK_MAX], n = 1;
    if (rank != tap_tensor_rank(reference) || rank != l->rank) return false;
    for (int i = rank - 1; i >= 0; i--) {
        own[i] = n;
        n *= dims[i];
    }
    for (int i = 0; i < rank; i++) {
        const int axis = l->axes[i];
        if (axis >= rank || tap_tensor_dims(reference)[i] != dims[axis]) return false;
        steps[i] = own[axis];
    }
    return n == tap_tensor_count(reference);
}

/* Steps idx to the next element of the shape, the last axis first. */
static void next_index(const tap_tensor *shape, int64_t *idx) {
    for (int i = tap_tensor_rank(shape) - 1; i >= 0; i--) {
        if (++idx[i] < tap_tensor_dims(shape)[i]) return;
        idx[i] = 0;
    }
}

/* Largest |transpose(tensor, axes) - reference|; infinity where the shapes do not agree. *equal: every
 * element lies within the tolerances. */
static double compare(const tap_tensor *tensor, const tap_tensor *reference, const layer *l, bool *equal) {
    int64_t steps[TAP_RANK_MAX], idx[TAP_RANK_MAX] = {0};
    *equal = false;
    if (!permuted_steps(tensor, reference, l, steps)) return (double)INFINITY;
    const float *x = tap_tensor_data(tensor), *want = tap_tensor_data(reference);
    double worst = 0;
    *equal = true;
    for (int64_t i = 0; i < tap_tensor_count(reference); i++, next_index(reference, idx)) {
        int64_t at = 0;
        for (int k = 0; k < tap_tensor_rank(reference); k++) at += idx[k] * steps[k];
        const double difference = fabs((double)x[at] - (double)want[i]);
        if (!(difference <= ATOL + RTOL * fabs((double)want[i]))) *equal = false;
        if (!(difference <= worst)) worst = difference;
    }
    return worst;
}

/* ---- Showing ---- */

/* The most probable class of row i of p[n][classes]. */
static int64_t best(const tap_tensor *p, int64_t i, double *percent) {
    const int64_t classes = tap_tensor_dims(p)[1];
    const float *row = (const float *)tap_tensor_data(p) + i * classes;
    int64_t at = 0;
    for (int64_t c = 1; c < classes; c++)
        if (row[c] > row[at]) at = c;
    *percent = 100 * (double)row[at];
    return at;
}

static bool has_row_each(const tap_tensor *p, int64_t n) {
    return tap_tensor_rank(p) == 2 && tap_tensor_dims(p)[0] == n && tap_tensor_dims(p)[1] > 0;
}

/* A line per picture: the digit, and what onnxtap and Keras take it for, which is what the last layer says.
 */
static tap_status show_predictions(const job *j, tap_error *err) {
    tap_value *ours, *keras;
    const tap_tensor *labels = tap_value_tensor(j->labels);
    const int64_t n = tap_tensor_count(labels);
    tap_status s = load_pair(j, &j->layers[j->n - 1], &ours, &keras, err);
    if (s == TAP_OK && (tap_tensor_dtype(labels) != TAP_INT64 || !has_row_each(tap_value_tensor(ours), n) ||
                        !has_row_each(tap_value_tensor(keras), n)))
        s = fail(err, TAP_DATA, "not a row of classes a label", j->layers[j->n - 1].tensor);
    if (s == TAP_OK) printf("%-12s %-14s %s\n", "a picture of", "onnxtap says", "Keras says");
    for (int64_t i = 0; s == TAP_OK && i < n; i++) {
        double p, q;
        const int64_t a = best(tap_value_tensor(ours), i, &p), b = best(tap_value_tensor(keras), i, &q);
        printf("%-12" PRId64 " %" PRId64 " (%6.2f %%)   %" PRId64 " (%6.2f %%)\n",
               ((const int64_t *)tap_tensor_data(labels))[i], a, p, b, q);
    }
    tap_value_release(ours);
    tap_value_release(keras);
    return s;
}

static void shape_text(const tap_tensor *t, char *text, size_t room) {
    size_t at = 0;
    *text = '\0';
    for (int i = 0; i < tap_tensor_rank(t) && at < room; i++)
        at += (size_t)snprintf(text + at, room - at, "%s%" PRId64, i ? " x " : "", tap_tensor_dims(t)[i]);
}

/* Compares one layer and prints its line. */
static tap_status show_layer(job *j, const layer *l, tap_error *err) {
    tap_value *ours, *keras;
    char shape[200];
    bool equal;
    if (l->rank == 0) {
        printf("%-9s %-19s %-16s the exporter left no tensor of it\n", l->name, l->kind, "");
        return TAP_OK;
    }
    tap_status s = load_pair(j, l, &ours, &keras, err);
    if (s == TAP_OK) {
        shape_text(tap_value_tensor(keras), shape, sizeof shape);
        const double worst = compare(tap_value_tensor(ours), tap_value_tensor(keras), l, &equal);
        printf("%-9s %-19s %-16s %-36s %8.2g  %s\n", l->name, l->kind, shape, l->tensor, worst,
               equal ? "equal" : "DIFFERENT");
        j->compared++;
        j->different += !equal;
    }
    tap_value_release(ours);
    tap_value_release(keras);
    return s;
}

static tap_status show_layers(job *j, tap_error *err) {
    tap_status s = TAP_OK;
    printf("\n%-9s %-19s %-16s %-36s largest difference\n", "layer", "Keras class", "shape in Keras",
           "tensor tapped");
    for (size_t i = 0; s == TAP_OK && i < j->n; i++) s = show_layer(j, &j->layers[i], err);
    return s;
}

/* The last line, and the exit status. */
static int verdict(const job *j) {
    if (j->compared == 0) {
        printf("\nNothing was compared.\n");
        return 6;
    }
    if (j->different) {
        printf("\n%zu of %zu layers differ from what Keras computed.\n", j->different, j->compared);
        return 1;
    }
    printf("\nAll %zu layers that have a tensor are what Keras computed (|difference| <= %.0e + %.0e "
           "|value|).\n",
           j->compared, ATOL, RTOL);
    return 0;
}

int main(int argc, char **argv) {
    static job j;
    tap_error err = TAP_ERROR_INIT;
    if (argc != 3) {
        fprintf(stderr, "usage: demo_compare TRACE.npz FOLDER\n");
        return 2;
    }
    tap_status s = open_files(&j, argv[1], argv[2], &err);
    if (s == TAP_OK && j.n > 0) s = show_predictions(&j, &err);
    if (s == TAP_OK) s = show_layers(&j, &err);
    if (s != TAP_OK) fprintf(stderr, "demo_compare: %s\n", err.text);
    const int status = s == TAP_OK ? verdict(&j) : tap_status_exit(s);
    tap_archive_free(j.trace);
    tap_archive_free(j.keras);
    tap_value_release(j.labels);
    return status;
}
