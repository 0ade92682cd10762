/* The header of a .npy file (numpy.lib.format): a Python dictionary with dtype, order and shape. */
#ifndef TAP_IO_NPY_HEADER_H
#define TAP_IO_NPY_HEADER_H

#include "core/tensor.h"

typedef struct tap_npy_header {
    char kind;         /* as NumPy has it: b i u f c S U V                              */
    bool swapped;      /* bytes of a number lie the other way round than on this machine */
    bool fortran;      /* the first index is the fastest                                */
    size_t item_bytes; /* of an element                                                 */
    int rank;          /* 0 .. TAP_RANK_MAX                                             */
    int64_t dims[TAP_RANK_MAX];
    int64_t count;
    size_t n_bytes; /* count x item_bytes                                            */
} tap_npy_header;

/* Reads the dictionary (n bytes after magic, version and length). Errors: TAP_DATA; name is for the message.
 */
tap_status tap_npy_parse(const char *text, size_t n, const char *name, tap_npy_header *h, tap_error *err);

/* Room for any header that tap_npy_format writes. */
#define TAP_NPY_HEADER_ROOM 640

/* The whole header, magic and padding to a multiple of 64 bytes included; returns its length. descr as "<f4".
 */
size_t tap_npy_format(const char *descr, int rank, const int64_t *dims, char *out);

#endif
