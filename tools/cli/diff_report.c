/* The report of a diff: text, JSON, CSV. */
#include "diff_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t count_verdict(const tap_diff *d, tap_verdict v) {
    size_t n = 0;
    for (size_t i = 0; i < tap_diff_count(d); i++) n += tap_diff_at(d, i)->verdict == v;
    return n;
}

static size_t count_compared(const tap_diff *d) {
    return tap_diff_count(d) - count_verdict(d, TAP_VERDICT_NOT_COMPARABLE);
}

static const char *verdict_of(const tap_diff *d) {
    return count_compared(d) == 0 ? "nothing compared" : tap_diff_differs(d) ? "differs" : "same";
}

/* ---- JSON ---- */

static void json_place(tap_json *j, const char *key, const tap_diff_pair *p) {
    tap_json_object(j, key);
    tap_json_string(j, "layer", p->layer);
    tap_json_int(j, "output", p->output);
    tap_json_string(j, "tensor", p->tensor);
    tap_json_string(j, "node", p->node);
    tap_json_string(j, "op", p->op);
    tap_json_string(j, "attributes", p->attributes);
    tap_json_string(j, "why", p->why);
    tap_json_string(j, "fault", p->fault);
    tap_json_double(j, "residual", p->residual);
    tap_json_end(j);
}

static void json_measure(tap_json *j, const tap_measure *m) {
    tap_json_int(j, "count", m->count);
    tap_json_double(j, "max_abs", m->max_abs);
    tap_json_double(j, "mean_abs", m->mean_abs);
    tap_json_double(j, "rms", m->rms);
    tap_json_double(j, "max_rel", m->max_rel);
    tap_json_double(j, "mean_rel", m->mean_rel);
    tap_json_double(j, "cosine", m->cosine);
    tap_json_double(j, "snr_db", m->snr_db);
    tap_json_double(j, "max_ulp", m->max_ulp);
    tap_json_flat_object(j, "quantiles");
    tap_json_double(j, "0.5", m->p50);
    tap_json_double(j, "0.9", m->p90);
    tap_json_double(j, "0.99", m->p99);
    tap_json_end(j);
    tap_json_double(j, "outside", m->count ? (double)m->outside / (double)m->count : 0);
    tap_json_int(j, "nonfinite", m->nonfinite);
    tap_json_double(j, "pass_rtol", m->pass_rtol);
    tap_json_double(j, "pass_atol", m->pass_atol);
    if (!isnan(m->top1)) {
        tap_json_double(j, "top1", m->top1);
        tap_json_double(j, "top5", m->top5);
    }
}

/* Position of element i in the shape as far as it is known: flat. */
static void json_worst(tap_json *j, const tap_measure *m) {
    if (m->worst < 0) return;
    tap_json_flat_object(j, "worst");
    tap_json_int(j, "element", m->worst);
    tap_json_double(j, "value", m->worst_a);
    tap_json_double(j, "reference", m->worst_b);
    tap_json_end(j);
    if (m->rows < 2) return;
    tap_json_flat_object(j, "samples");
    tap_json_int(j, "count", m->rows);
    tap_json_int(j, "worst", m->worst_row);
    tap_json_double(j, "least_max_abs", m->least_row);
    tap_json_double(j, "median_max_abs", m->median_row);
    tap_json_end(j);
}

static void json_pair(tap_json *j, const tap_diff_pair *p) {
    tap_json_object(j, NULL);
    tap_json_string(j, "reference", p->reference);
    tap_json_string(j, "tensor", p->tensor);
    tap_json_string(j, "layer", p->layer);
    tap_json_string(j, "by", tap_paired_by_name(p->by));
    if (p->rank < 0) {
        tap_json_null(j, "perm");
    } else {
        tap_json_flat_array(j, "perm");
        for (int i = 0; i < p->rank; i++) tap_json_int(j, NULL, p->perm[i]);
        tap_json_end(j);
    }
    tap_json_string(j, "node", p->node);
    tap_json_string(j, "op", p->op);
    tap_json_string(j, "verdict", tap_verdict_name(p->verdict));
    json_measure(j, &p->measure);
    json_worst(j, &p->measure);
    tap_json_bool(j, "within_tolerance", p->within);
    tap_json_double(j, "isolated_max_abs", p->isolated_max_abs);
    tap_json_double(j, "isolated_noise", p->isolated_noise);
    tap_json_double(j, "noise", p->noise);
    tap_json_string(j, "from", p->from);
    if (p->fault) {
        tap_json_string(j, "fault", p->fault);
        tap_json_string(j, "why", p->why);
        tap_json_double(j, "residual", p->residual);
    }
    if (p->note) tap_json_string(j, "note", p->note);
    tap_json_end(j);
}

static void json_report(const tap_diff *d, const tap_diff_options *o) {
    tap_json *j = cli_json();
    const tap_diff_pair *first = tap_diff_first(d);
    tap_json_object(j, NULL);
    tap_json_string(j, "verdict", verdict_of(d));
    if (first)
        json_place(j, "first", first);
    else
        tap_json_null(j, "first");
    tap_json_array(j, "introduced");
    for (size_t i = 0; i < tap_diff_count(d); i++)
        if (tap_diff_at(d, i)->verdict == TAP_VERDICT_INTRODUCED) json_place(j, NULL, tap_diff_at(d, i));
    tap_json_end(j);
    tap_json_string(j, "tolerance", tap_tolerance_name(o->tolerance));
    tap_json_string(j, "formula", tap_tolerance_formula(o->tolerance));
    tap_json_bool(j, "oracle", !o->by_tolerance);
    if (tap_diff_failure(d)) tap_json_string(j, "failure", tap_diff_failure(d));
    tap_json_array(j, "pairs");
    for (size_t i = 0; i < tap_diff_count(d); i++) json_pair(j, tap_diff_at(d, i));
    tap_json_end(j);
    tap_json_array(j, "unmatched");
    for (size_t i = 0; i < tap_diff_unmatched_count(d); i++) {
        const tap_diff_unmatched *u = tap_diff_unmatched_at(d, i);
        tap_json_flat_object(j, NULL);
        tap_json_string(j, "name", u->name);
        tap_json_string(j, "side", u->of_model ? "model" : "reference");
        tap_json_string(j, "reason", u->reason);
        tap_json_end(j);
    }
    tap_json_free(j);
}

/* ---- CSV ---- */

/* As RFC 4180 wants it. */
static void csv_text(FILE *f, const char *s) {
    fputc('"', f);
    for (; s && *s; s++) {
        if (*s == '"') fputc('"', f);
        fputc(*s, f);
    }
    fputc('"', f);
}

static void csv_pair(FILE *f, const tap_diff_pair *p) {
    const char *texts[] = {p->reference,
                           p->tensor,
                           p->layer,
                           p->node,
                           p->op,
                           tap_paired_by_name(p->by),
                           tap_verdict_name(p->verdict),
                           p->fault};
    const tap_measure *m = &p->measure;
    double numbers[] = {m->max_abs, m->mean_abs, m->rms,   m->max_rel,          m->cosine,
                        m->snr_db,  m->max_ulp,  p->noise, p->isolated_max_abs, p->isolated_noise};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        csv_text(f, texts[i]);
        fputc(',', f);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) fprintf(f, "%.9g,", numbers[i]);
    fprintf(f, "%" PRId64 "\n", m->outside);
}

static bool csv_report(const char *path, const tap_diff *d) {
    char *tmp = cli_format("%s.tmp", path);
    FILE *f = fopen(tmp, "w");
    if (f) {
        fputs("reference,tensor,layer,node,op,by,verdict,fault,max_abs,mean_abs,rms,max_rel,cosine,snr_db,"
              "max_ulp,"
              "noise,isolated_max_abs,isolated_noise,outside\n",
              f);
        for (size_t i = 0; i < tap_diff_count(d); i++) csv_pair(f, tap_diff_at(d, i));
    }
    bool bad = !f || ferror(f);
    if (f && fclose(f) != 0) bad = true;
    if (!bad && rename(tmp, path) != 0) bad = true;
    if (bad) {
        unlink(tmp);
        cli_say("%s cannot be written", path);
    }
    free(tmp);
    return !bad;
}

/* ---- text ---- */

static bool colours;

static const char *colour(const char *code) {
    return colours ? code : "";
}

#define RED    colour("\033[31;1m")
#define GREEN  colour("\033[32;1m")
#define YELLOW colour("\033[33m")
#define DIM    colour("\033[2m")
#define PLAIN  colour("\033[0m")

static const char *name_of(const tap_diff_pair *p) {
    return p->layer ? p->layer : p->tensor;
}

static void text_place(const tap_diff_pair *p) {
    printf("  %s%s%s: %s\n", RED, p->fault ? p->fault : "unexplained", PLAIN, p->why ? p->why : "");
    printf("  tensor %s\n", p->tensor);
    if (p->node && *p->node)
        printf("  node   %s (%s)%s%s\n", p->node, p->op, *p->attributes ? " " : "", p->attributes);
    if (p->from && *p->from) printf("  from   %s\n", p->from);
    printf("  alone, on the reference's values: off by %.3g; float rounding there: %.3g", p->isolated_max_abs,
           p->isolated_noise);
    if (!isnan(p->residual)) printf("; left under this explanation: %.3g", p->residual);
    printf("\n");
    if (p->measure.worst >= 0)
        printf("  worst  element %" PRId64 ": %.7g, reference %.7g\n", p->measure.worst, p->measure.worst_a,
               p->measure.worst_b);
    if (p->note) printf("  note   %s\n", p->note);
}

static void text_head(const tap_diff *d) {
    const tap_diff_pair *first = tap_diff_first(d);
    size_t n = count_compared(d);
    if (n == 0) {
        printf("%snothing compared%s: no value of the model could be paired with one of the reference\n",
               YELLOW, PLAIN);
    } else if (first) {
        printf("%sdiffers%s: error begins in %s (%s)\n", RED, PLAIN, name_of(first), first->tensor);
        text_place(first);
    } else if (tap_diff_differs(d)) {
        printf("%sdiffers%s, but no place can be told apart\n", RED, PLAIN);
    } else {
        printf("%ssame%s: %zu values compared, none differs by more than rounding explains\n", GREEN, PLAIN,
               n);
    }
}

static void text_others(const tap_diff *d) {
    const tap_diff_pair *first = tap_diff_first(d);
    for (size_t i = 0; i < tap_diff_count(d); i++) {
        const tap_diff_pair *p = tap_diff_at(d, i);
        if (p->verdict != TAP_VERDICT_INTRODUCED || p == first) continue;
        printf("also in %s (%s)\n", name_of(p), p->tensor);
        text_place(p);
    }
}

static const char *verdict_colour(tap_verdict v) {
    switch (v) {
    case TAP_VERDICT_INTRODUCED: return RED;
    case TAP_VERDICT_INHERITED:
    case TAP_VERDICT_AMPLIFIED: return YELLOW;
    case TAP_VERDICT_NOT_COMPARABLE: return DIM;
    default: return "";
    }
}

/* A number in a column; "-" where there is none. */
static void text_number(double x) {
    if (isnan(x))
        printf(" %9s", "-");
    else
        printf(" %9.2e", x);
}

static void text_row(const tap_diff_pair *p, int width) {
    bool measured = p->measure.size > 0;
    printf("%s%-*.*s %-14s", verdict_colour(p->verdict), width, width, name_of(p),
           tap_verdict_name(p->verdict));
    text_number(measured ? p->measure.max_abs : NAN);
    text_number(measured ? p->measure.max_rel : NAN);
    text_number(p->noise);
    text_number(p->isolated_max_abs);
    text_number(p->isolated_noise);
    if (measured && isfinite(p->measure.snr_db))
        printf(" %7.1f", p->measure.snr_db);
    else
        printf(" %7s", "-");
    printf("  %s%s%s\n", tap_paired_by_name(p->by), PLAIN,
           p->verdict == TAP_VERDICT_NOT_COMPARABLE && p->note ? "" : "");
    if (p->verdict == TAP_VERDICT_NOT_COMPARABLE && p->note) printf("    %s%s%s\n", DIM, p->note, PLAIN);
}

static void text_table(const cli_args *args, const tap_diff *d) {
    int width = 10;
    bool all = args->all || tap_diff_differs(d);
    if (!all) return;
    for (size_t i = 0; i < tap_diff_count(d); i++) {
        size_t n = strlen(name_of(tap_diff_at(d, i)));
        if (n > (size_t)width && n <= 48) width = (int)n;
    }
    printf("\n%-*s %-14s %9s %9s %9s %9s %9s %7s  %s\n", width, "layer", "verdict", "max abs", "max rel",
           "rounding", "alone", "rounding", "SNR dB", "by");
    for (size_t i = 0; i < tap_diff_count(d); i++) text_row(tap_diff_at(d, i), width);
}

static void text_classes(const tap_diff *d) {
    size_t n = tap_diff_count(d);
    const tap_measure *m = n ? &tap_diff_at(d, n - 1)->measure : NULL;
    if (m && m->size && !isnan(m->top1) && m->top1 < 1)
        printf("\nThe largest class is the same in %.1f %% of the rows of %s.\n", 100 * m->top1,
               tap_diff_at(d, n - 1)->tensor);
}

#define UNMATCHED_SHOWN 20

static void text_unmatched(const tap_diff *d) {
    size_t n = tap_diff_unmatched_count(d);
    if (n) printf("\n%zu without a partner:\n", n);
    for (size_t i = 0; i < n; i++) {
        const tap_diff_unmatched *u = tap_diff_unmatched_at(d, i);
        if (i == UNMATCHED_SHOWN) printf("  and %zu more (--json lists them)\n", n - i);
        if (i >= UNMATCHED_SHOWN) break;
        printf("  %s %s: %s\n", u->of_model ? "model    " : "reference", u->name, u->reason);
    }
}

static void text_counts(const tap_diff *d, const tap_diff_options *o) {
    printf("\n%zu pairs:", tap_diff_count(d));
    for (int v = TAP_VERDICT_SAME; v <= TAP_VERDICT_NOT_COMPARABLE; v++) {
        size_t n = count_verdict(d, (tap_verdict)v);
        if (n) printf(" %zu %s;", n, tap_verdict_name((tap_verdict)v));
    }
    if (o->by_tolerance)
        printf(" judged by %s: %s\n", tap_tolerance_name(o->tolerance), tap_tolerance_formula(o->tolerance));
    else
        printf(" judged by the same graph in double precision\n");
}

int diff_report(const cli_args *args, const tap_diff *d, const tap_diff_options *o, const char *reference) {
    (void)reference;
    bool written = !args->csv || csv_report(args->csv, d);
    if (args->json) {
        json_report(d, o);
    } else {
        colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
        text_head(d);
        if (tap_diff_failure(d)) printf("the model's run fails: %s\n", tap_diff_failure(d));
        text_others(d);
        text_table(args, d);
        text_classes(d);
        text_unmatched(d);
        text_counts(d, o);
    }
    if (!written) return 3;
    return count_compared(d) == 0 ? 6 : tap_diff_differs(d) ? 1 : 0;
}
