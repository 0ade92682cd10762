/* Law 1: a tap never changes a bit. A model is run in all the ways that must not matter, and what comes out
 * is compared by hashes of types, shapes and bytes, so that large models fit. */
#ifndef TAP_TESTS_API_BITS_H
#define TAP_TESTS_API_BITS_H

#include <onnxtap/onnxtap.h>

typedef struct bits_subject {
    const char *name;
    tap_model *m;
    const tap_input *in;
    size_t n_in;
    const tap_input *other_in; /* NULL, or as many inputs of other shapes */
    size_t most_alone;         /* values tapped alone, at most            */
} bits_subject;

/* How many of the ways gave something else; each is printed. */
int bits_check(const bits_subject *x);

#endif
