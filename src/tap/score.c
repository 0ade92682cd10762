/* Outputs against labels: loss and accuracy, as Keras 3 has them. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/tensor.h"
#include "onnxtap/record.h"
#include "onnxtap/stats.h"

#define CLIP 1e-7 /* keras.config.epsilon() */

static const struct {
    const char *name;
    tap_loss loss;
} losses[] = {{"mse", TAP_LOSS_MSE},
              {"cross_entropy", TAP_LOSS_CROSS_ENTROPY},
              {"sparse_cross_entropy", TAP_LOSS_SPARSE_CROSS_ENTROPY}};

tap_loss tap_loss_from_name(const char *name) {
    for (size_t i = 0; i < TAP_COUNT_OF(losses); i++)
        if (strcmp(name, losses[i].name) == 0) return losses[i].loss;
    return TAP_LOSS_AUTO;
}

const char *tap_loss_name(tap_loss l) {
    for (size_t i = 0; i < TAP_COUNT_OF(losses); i++)
        if (losses[i].loss == l) return losses[i].name;
    return NULL;
}

static double at(const tap_tensor *t, int64_t i) {
    double x = (double)NAN;
    tap_tensor_doubles(t, i, 1, &x);
    return x;
}

static double clip(double x) {
    return x < CLIP ? CLIP : x > 1 - CLIP ? 1 - CLIP : x;
}

/* log of the sum of exp of c logits */
static double log_sum(const tap_tensor *y, int64_t first, int64_t c) {
    double most = -(double)INFINITY, s = 0;
    for (int64_t k = 0; k < c; k++) most = fmax(most, at(y, first + k));
    for (int64_t k = 0; k < c; k++) s += exp(at(y, first + k) - most);
    return most + log(s);
}

static double binary(double y, double label, bool from_logits) {
    double p = from_logits ? 1 / (1 + exp(-y)) : clip(y);
    if (from_logits) return fmax(y, 0) - y * label + log1p(exp(-fabs(y)));
    return -(label * log(p) + (1 - label) * log(1 - p));
}

static double sparse(const tap_tensor *y, int64_t first, int64_t c, int64_t label, bool from_logits) {
    if (from_logits) return log_sum(y, first, c) - at(y, first + label);
    double sum = 0;
    for (int64_t k = 0; k < c; k++) sum += clip(at(y, first + k));
    return log(sum) - log(clip(at(y, first + label)));
}

static double dense(const tap_tensor *y, const tap_tensor *labels, int64_t first, int64_t c,
                    bool from_logits) {
    double s = 0, sum = 0, all = from_logits ? log_sum(y, first, c) : 0;
    for (int64_t k = 0; k < c; k++) sum += at(y, first + k);
    for (int64_t k = 0; k < c; k++) {
        double t = at(labels, first + k), x = at(y, first + k);
        if (t != 0) s -= t * (from_logits ? x - all : log(clip(x / sum)));
    }
    return s;
}

static int64_t argmax(const tap_tensor *t, int64_t first, int64_t c) {
    int64_t best = 0;
    for (int64_t k = 1; k < c; k++)
        if (at(t, first + k) > at(t, first + best)) best = k;
    return best;
}

/* ---- What the labels are ---- */

static bool is_whole(const tap_tensor *t) {
    for (int64_t i = 0; i < t->count; i++) {
        double x = at(t, i);
        if (!(x == floor(x))) return false;
    }
    return true;
}

/* Rows of zeros with a single one. */
static bool is_one_hot(const tap_tensor *t, int64_t c) {
    for (int64_t r = 0; c > 1 && r < t->count / c; r++) {
        int64_t ones = 0;
        for (int64_t k = 0; k < c; k++) {
            double x = at(t, r * c + k);
            if (x != 0 && x != 1) return false;
            ones += x == 1;
        }
        if (ones != 1) return false;
    }
    return c > 1;
}

static tap_loss guess(const tap_tensor *y, const tap_tensor *labels, int64_t c) {
    if (labels->count * c == y->count && c > 1 && is_whole(labels)) return TAP_LOSS_SPARSE_CROSS_ENTROPY;
    return labels->count == y->count && is_one_hot(labels, c) ? TAP_LOSS_CROSS_ENTROPY : TAP_LOSS_MSE;
}

static tap_status no_fit(const tap_tensor *y, const tap_tensor *labels, tap_loss loss, tap_error *err) {
    char a[160] = "", b[160] = "";
    tap_text ta = {a, sizeof a, 0}, tb = {b, sizeof b, 0};
    tap_text_dims(&ta, y->rank, y->dims);
    tap_text_dims(&tb, labels->rank, labels->dims);
    return tap_error_set(err, TAP_DATA, "labels of shape %s do not fit an output of shape %s for %s%s", b, a,
                         tap_loss_name(loss),
                         loss == TAP_LOSS_CROSS_ENTROPY ? " (class numbers take sparse_cross_entropy)" : "");
}

static tap_status bad_label(double label, int64_t c, tap_error *err) {
    return tap_error_set(err, TAP_DATA, "label %g is no class: there are 0 to %" PRId64, label, c - 1);
}

/* ---- Adding up ---- */

static tap_status add_row(tap_score *s, const tap_tensor *y, const tap_tensor *labels, int64_t r, int64_t c,
                          tap_error *err) {
    double loss;
    int64_t label = -1, predicted;
    if (s->loss == TAP_LOSS_SPARSE_CROSS_ENTROPY) {
        double x = at(labels, r);
        int64_t classes = c > 1 ? c : 2;
        if (!(x >= 0 && x < (double)classes && x == floor(x))) return bad_label(x, classes, err);
        label = (int64_t)x;
    }
    if (c == 1) {
        double t = at(labels, r);
        loss = binary(at(y, r), t, s->from_logits);
        label = t > 0.5;
        predicted = at(y, r) > (s->from_logits ? 0 : 0.5);
    } else {
        predicted = argmax(y, r * c, c);
        loss = label >= 0 ? sparse(y, r * c, c, label, s->from_logits)
                          : dense(y, labels, r * c, c, s->from_logits);
        if (label < 0) label = argmax(labels, r * c, c);
    }
    s->loss_sum += loss;
    s->n++;
    s->correct += predicted == label;
    s->n_predictions++;
    return TAP_OK;
}

static void add_squares(tap_score *s, const tap_tensor *y, const tap_tensor *labels, int64_t c) {
    bool classes = is_one_hot(labels, c);
    for (int64_t r = 0; c > 0 && r < y->count / c; r++) {
        double sum = 0;
        for (int64_t k = 0; k < c; k++) {
            double d = at(y, r * c + k) - at(labels, r * c + k);
            sum += d * d;
        }
        s->loss_sum += sum / (double)c;
        s->n++;
        if (!classes) continue;
        s->correct += argmax(y, r * c, c) == argmax(labels, r * c, c);
        s->n_predictions++;
    }
}

tap_status tap_score_add(tap_score *s, const tap_tensor *y, const tap_tensor *labels, tap_error *err) {
    int64_t c = y->rank > 1 ? y->dims[y->rank - 1] : 1;
    tap_settle(y);
    tap_settle(labels);
    if (y->dtype == TAP_STRING || labels->dtype == TAP_STRING)
        return tap_error_set(err, TAP_DATA, "outputs and labels have to be numbers for a loss");
    if (s->loss == TAP_LOSS_AUTO) s->loss = guess(y, labels, c);
    bool sparse_fits = c > 0 && labels->count == y->count / c && y->count % c == 0;
    bool fits = s->loss == TAP_LOSS_SPARSE_CROSS_ENTROPY ? sparse_fits : labels->count == y->count && c > 0;
    if (!fits) return no_fit(y, labels, s->loss, err);
    if (s->loss == TAP_LOSS_MSE) {
        add_squares(s, y, labels, c);
        return TAP_OK;
    }
    tap_status status = TAP_OK;
    for (int64_t r = 0; status == TAP_OK && r < y->count / c; r++) status = add_row(s, y, labels, r, c, err);
    return status;
}

int64_t tap_predicted(const tap_tensor *y, int64_t row, bool from_logits) {
    int64_t n = y->rank > 0 ? y->dims[0] : 0, c = n > 0 ? y->count / n : 0;
    tap_settle(y);
    if (y->dtype == TAP_STRING || row >= n || c < 1) return -1;
    if (y->dtype != TAP_FLOAT && y->dtype != TAP_DOUBLE && y->dtype != TAP_FLOAT16 &&
        y->dtype != TAP_BFLOAT16)
        return c == 1 ? (int64_t)at(y, row) : -1;
    return c == 1 ? at(y, row) > (from_logits ? 0 : 0.5) : argmax(y, row * c, c);
}

int64_t tap_labelled(const tap_tensor *labels, int64_t row) {
    int64_t n = labels->rank > 0 ? labels->dims[0] : 0, c = n > 0 ? labels->count / n : 0;
    tap_settle(labels);
    if (labels->dtype == TAP_STRING || row >= n || c < 1) return -1;
    double x = at(labels, row);
    return c > 1 ? argmax(labels, row * c, c) : x == floor(x) ? (int64_t)x : -1;
}
