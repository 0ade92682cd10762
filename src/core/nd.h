/* Elementwise iteration: the broadcast of several dense tensors as a short list of extents and byte steps.
 *
 *     int64_t room[TAP_ND_ROOM * 3];
 *     tap_nd  nd;
 *     tap_nd_init(&nd, rank, dims, 3, room);
 *     tap_nd_operand(&nd, 0, 4, a->rank, a->dims);  ... 1, 2
 *     tap_nd_merge(&nd);
 *     tap_nd_run(&nd, 0, count, base, p, loop, state); */
#ifndef TAP_CORE_ND_H
#define TAP_CORE_ND_H

#include "core/base.h"
#include "onnxtap/op.h"

/* Entries of an operand in the room of tap_nd_init. */
#define TAP_ND_ROOM (TAP_RANK_MAX + 1)

typedef struct tap_nd {
    int rank, n; /* dimensions, outermost first; operands */
    int64_t extent[TAP_RANK_MAX];
    int64_t *step;  /* step[d * n + k]: bytes from one index of dimension d to the next in operand k */
    int64_t *bytes; /* bytes[k]: of an element of operand k; 0: one element for all, never copied */
} tap_nd;

/* Starts with the shape to iterate over and n operands. room: TAP_ND_ROOM * n entries, used as long as nd
 * is. */
void tap_nd_init(tap_nd *nd, int rank, const int64_t *dims, int n, int64_t *room);

/* Operand k is dense and row-major with these dims. False where they do not broadcast to the shape. */
bool tap_nd_operand(tap_nd *nd, int k, size_t elem_bytes, int rank, const int64_t *dims);

/* Operand k is one element for all. */
void tap_nd_scalar(tap_nd *nd, int k);

/* Drops dimensions of extent 1 and joins neighbours that all operands walk as one. Leaves at least one
 * dimension. To be called once, after all operands are set and before tap_nd_run. */
void tap_nd_merge(tap_nd *nd);

/* Runs loop over elements begin .. end, counted in row-major order of the shape, one call for each run along
 * the innermost dimension; where that is short, one for many runs, for which operands that are broadcast are
 * written out. The last operand, at least, is dense. base[k]: where operand k starts (NULL for one that is
 * never read: its steps must be 0). p: room for n pointers. */
void tap_nd_run(const tap_nd *nd, int64_t begin, int64_t end, char *const *base, char **p, tap_loop *loop,
                const void *state);

#endif
