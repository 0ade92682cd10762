/* Numbers as text, with a point whatever the locale says. */
#ifndef TAP_IO_NUMBER_H
#define TAP_IO_NUMBER_H

#include "core/base.h"

#define TAP_NUMBER_ROOM 40

/* The shortest of 15, 16 or 17 digits (6 to 9 for a float) that reads back as v; nan, inf, -inf. */
void tap_number_double(char out[TAP_NUMBER_ROOM], double v);
void tap_number_float(char out[TAP_NUMBER_ROOM], float v);
/* As "%.*g". */
void tap_number_rounded(char out[TAP_NUMBER_ROOM], double v, int digits);
/* The number that n bytes spell (JSON's and C's decimal forms); false where they spell none. */
bool tap_number_parse(const char *s, size_t n, double *v);

#endif
