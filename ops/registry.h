/* The library's own operators. */
#ifndef TAP_OPS_REGISTRY_H
#define TAP_OPS_REGISTRY_H

#include "core/cpu.h"
#include "onnxtap/op.h"

/* n families, compiled for that instruction set. */
const tap_family *const *tap_families(tap_isa isa, size_t *n);

#endif
