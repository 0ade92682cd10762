/* The listener that prints tapped values. */
#include <inttypes.h>
#include <string.h>

#include "core/error.h"
#include "core/tensor.h"
#include "onnxtap/record.h"

typedef struct printing {
    tap_printer *to;
    const tap_event *event;
} printing;

static const char *layer_of(const tap_printer *p, const tap_event *e) {
    tap_layer_info l = {.size = sizeof l};
    size_t i = p->model && e->n_iterations == 0 ? tap_model_layer_of(p->model, e->index) : SIZE_MAX;
    return i != SIZE_MAX && tap_model_layer(p->model, i, &l) ? l.key : NULL;
}

static tap_status print_one(void *user, const char *name, const tap_value *v, tap_error *err) {
    const printing *x = user;
    const tap_printer *p = x->to;
    const tap_tensor *t = tap_value_tensor(v);
    const char *layer = layer_of(p, x->event);
    tap_summary s = {.size = sizeof s};
    char line[2048] = "";
    tap_text head = {line, sizeof line - 1, 0};
    char *elements = tap_tensor_print(t, p->options);
    if (!elements) return tap_error_no_memory(err, tap_tensor_bytes(t));
    tap_tensor_summary(t, &s);
    tap_text_add(&head, "%s%s%s  %s", name, layer ? "  layer " : "", layer ? layer : "",
                 tap_dtype_name(t->dtype));
    tap_text_dims(&head, t->rank, t->dims);
    if (s.min_at >= 0) tap_text_add(&head, "  min %.6g  max %.6g  mean %.6g", s.min, s.max, s.mean);
    tap_text_add(&head, "  nonfinite %" PRId64, s.nonfinite);
    line[head.n] = '\n';
    p->text(p->user, line, head.n + 1);
    p->text(p->user, elements, strlen(elements));
    p->text(p->user, "\n", 1);
    tap_free(elements);
    return TAP_OK;
}

int tap_print(const tap_event *event, void *user) {
    printing x = {user, event};
    if (event->ask) return TAP_WANT;
    return tap_value_each(event->value, event->name, print_one, &x, NULL) == TAP_OK ? TAP_WANT : TAP_STOP;
}
