/* diff.h where it joins src/diff with models: pieces of a graph become models of their own. */
#include <stdlib.h>
#include <string.h>

#include "api_model.h"
#include "diff/compare.h"

static const char *const verdicts[] = {"same",      "introduced", "inherited",
                                       "amplified", "healed",     "not comparable"};
static const char *const bys[] = {"map", "name", "layer", "position", "structure", "values"};

const char *tap_verdict_name(tap_verdict v) {
    return verdicts[v];
}

const char *tap_paired_by_name(tap_paired_by by) {
    return bys[by];
}

tap_status tap_diff_run(tap_model *m, const tap_input *inputs, size_t n_inputs, const tap_reference *ref,
                        const tap_diff_options *options, tap_diff **out, tap_error *err) {
    *out = NULL;
    tap_diff *d = calloc(1, sizeof *d);
    if (!d) return tap_error_no_memory(err, sizeof *d);
    tap_arena_init(&d->arena, NULL);
    d->options.size = sizeof d->options;
    if (options)
        memcpy(&d->options, options, options->size < sizeof d->options ? options->size : sizeof d->options);
    d->parts = (tap_diff_parts){.model = m, .bound = &m->bound, .values = m->values, .n_values = m->n_values};
    d->parts.lab = (tap_lab){tap_model_of_source, m, m->budget.limit, d->options.threads};
    d->ref = ref;
    d->inputs = inputs;
    d->n_inputs = n_inputs;
    tap_status st = tap_compare(d, err);
    if (st == TAP_OK)
        *out = d;
    else
        tap_diff_free(d);
    return st;
}

void tap_diff_free(tap_diff *d) {
    if (!d) return;
    tap_compare_clear(d);
    free(d);
}

size_t tap_diff_count(const tap_diff *d) {
    return d->n_points;
}

const tap_diff_pair *tap_diff_at(const tap_diff *d, size_t i) {
    return i < d->n_points ? &d->points[i].pub : NULL;
}

const tap_diff_pair *tap_diff_first(const tap_diff *d) {
    for (size_t i = 0; i < d->n_points; i++)
        if (d->points[i].pub.verdict == TAP_VERDICT_INTRODUCED) return &d->points[i].pub;
    return NULL;
}

const char *tap_diff_failure(const tap_diff *d) {
    return d->failure;
}

size_t tap_diff_unmatched_count(const tap_diff *d) {
    return d->matches.n_unmatched;
}

const tap_diff_unmatched *tap_diff_unmatched_at(const tap_diff *d, size_t i) {
    return i < d->matches.n_unmatched ? &d->matches.unmatched[i] : NULL;
}

bool tap_diff_differs(const tap_diff *d) {
    for (size_t i = 0; i < d->n_points; i++) {
        tap_verdict v = d->points[i].pub.verdict;
        if (v != TAP_VERDICT_SAME && v != TAP_VERDICT_HEALED && v != TAP_VERDICT_NOT_COMPARABLE) return true;
    }
    return false;
}
