/* TypeProto -> tap_type. */
#include <inttypes.h>

#include "onnx/loader.h"

bool tap_load_dtype(tap_loader *l, int32_t number, tap_dtype *dtype) {
    if (number > 0 && tap_dtype_bytes((tap_dtype)number) > 0) {
        *dtype = (tap_dtype)number;
        return true;
    }
    return tap_load_fail(l, TAP_MODEL,
                         number ? "element type %d is none of ONNX's" : "the element type is missing",
                         (int)number);
}

/* In types, unlike in tensors, the element type may be left open. */
static bool load_open_dtype(tap_loader *l, int32_t number, tap_dtype *dtype) {
    *dtype = TAP_UNDEFINED;
    return number == 0 || tap_load_dtype(l, number, dtype);
}

/* A negative size is how some exporters write that they do not know it. */
static int64_t dim_size(const TapOnnx__TensorShapeProto__Dimension *d) {
    bool sized = d->value_case == TAP_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    return sized && d->dim_value >= 0 ? d->dim_value : -1;
}

static const char *dim_name(const TapOnnx__TensorShapeProto__Dimension *d) {
    bool named = d->value_case == TAP_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    return named && d->dim_param && d->dim_param[0] ? d->dim_param : NULL;
}

static bool load_dim_names(tap_loader *l, const TapOnnx__TensorShapeProto *shape, const char *const **out) {
    const char **names = tap_load_make(l, shape->n_dim, sizeof *names);
    if (!names) return false;
    for (size_t i = 0; i < shape->n_dim; i++) {
        const char *name = dim_name(shape->dim[i]);
        if (name && !(names[i] = tap_load_string(l, name))) return false;
    }
    *out = names;
    return true;
}

static bool load_tensor_type(tap_loader *l, const TapOnnx__TypeProto__Tensor *p, tap_type *type,
                             const char *const **dim_names) {
    type->kind = TAP_KIND_TENSOR;
    type->rank = -1;
    if (!load_open_dtype(l, p->elem_type, &type->dtype)) return false;
    if (!p->shape) return true;
    if (p->shape->n_dim > TAP_RANK_MAX)
        return tap_load_fail(l, TAP_UNSUPPORTED, "its shape has %zu dimensions; %d are supported",
                             p->shape->n_dim, TAP_RANK_MAX);
    type->rank = (int32_t)p->shape->n_dim;
    for (int i = 0; i < type->rank; i++) type->dims[i] = dim_size(p->shape->dim[i]);
    return !dim_names || load_dim_names(l, p->shape, dim_names);
}

/* A type that contains another one. */
static bool load_element_type(tap_loader *l, const TapOnnx__TypeProto *p, tap_kind kind, tap_type *type,
                              bool *known) {
    tap_type *elem = tap_load_make(l, 1, sizeof *elem);
    if (!elem) return false;
    *known = false;
    type->kind = kind;
    type->rank = -1;
    type->elem = elem;
    return !p || tap_load_type(l, p, elem, NULL, known);
}

bool tap_load_type(tap_loader *l, const TapOnnx__TypeProto *p, tap_type *type, const char *const **dim_names,
                   bool *known) {
    *type = (tap_type){.kind = TAP_KIND_NONE, .rank = -1};
    *known = p != NULL;
    if (!p) return true;
    switch (p->value_case) {
    case TAP_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE: return load_tensor_type(l, p->tensor_type, type, dim_names);
    case TAP_ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
        return load_element_type(l, p->sequence_type->elem_type, TAP_KIND_SEQUENCE, type, known);
    case TAP_ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
        return load_element_type(l, p->optional_type->elem_type, TAP_KIND_OPTIONAL, type, known);
    case TAP_ONNX__TYPE_PROTO__VALUE_MAP_TYPE:
        return load_element_type(l, p->map_type->value_type, TAP_KIND_MAP, type, known) &&
               load_open_dtype(l, p->map_type->key_type, &type->dtype);
    default: *known = false; return true;
    }
}
