/* The listener that shows tapped values in TensorBoard. */
#include <string.h>

#include "core/permute.h"
#include "core/tensor.h"
#include "onnxtap/board.h"
#include "onnxtap/record.h"

/* Whether the value has its channels last: it is as the framework has it, and that has them last by habit. */
static bool has_channels_last(const tap_model *m, size_t index, const tap_tensor *t) {
    int32_t perm[TAP_RANK_MAX];
    int32_t rank = m ? tap_model_layout(m, index, perm) : -1;
    if (rank != 4 || t->rank != 4) return false;
    for (int i = 0; i < 4; i++)
        if (perm[i] != i) return false;
    return t->dims[1] == t->dims[2] && t->dims[3] != t->dims[2];
}

typedef struct adding {
    tap_boarder *b;
    const tap_event *event;
    const char *tag; /* NULL: the part's own name */
} adding;

static tap_status add_one(void *user, const char *name, const tap_value *v, tap_error *err) {
    const adding *a = user;
    const tap_tensor *t = tap_value_tensor(v);
    return tap_board_tensor(a->b->board, a->tag ? a->tag : name, a->b->step, t,
                            has_channels_last(a->b->model, a->event->index, t), err);
}

int tap_board_listen(const tap_event *event, void *user) {
    tap_boarder *b = user;
    tap_value_info info = {.size = sizeof info};
    tap_layer_info layer = {.size = sizeof layer};
    bool known = b->model && tap_model_value(b->model, event->index, &info);
    if (known && info.is_initializer && !info.is_input && b->step != b->first_step)
        return event->ask ? TAP_SKIP : TAP_WANT;
    if (event->ask) return TAP_WANT;
    tap_settle(event->tensor);
    size_t l = b->model && event->n_iterations == 0 ? tap_model_layer_of(b->model, event->index) : SIZE_MAX;
    adding a = {b, event, l != SIZE_MAX && tap_model_layer(b->model, l, &layer) ? layer.key : NULL};
    if (!event->tensor) a.tag = NULL;
    tap_status s = tap_value_each(event->value, event->name, add_one, &a, b->err);
    if (s == TAP_OK) return TAP_WANT;
    if (b->status == TAP_OK) b->status = s;
    return TAP_STOP;
}
