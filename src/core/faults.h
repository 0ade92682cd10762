/* What is wrong with a model, collected so that the look at it goes on. A model with faults is not run. */
#ifndef TAP_CORE_FAULTS_H
#define TAP_CORE_FAULTS_H

#include "core/error.h"
#include "core/memory.h"

typedef struct tap_fault {
    const char *code; /* which kind, such as "undefined-name"; static */
    tap_status status;
    const char *node, *op, *tensor, *text;
    struct tap_fault *next;
} tap_fault;

typedef struct tap_faults {
    tap_arena *arena;
    tap_fault *first, *last;
    size_t n;
} tap_faults;

/* st, unless it is a fault of the model (TAP_MODEL, TAP_UNSUPPORTED, TAP_IO) and faults are collected (f is
 * not NULL): then what err says is kept under that code, and TAP_OK returned. */
tap_status tap_fault_note(tap_faults *f, const char *code, tap_status st, tap_error *err);

#endif
