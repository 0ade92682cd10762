/* TensorBoard: what values are like, step by step, as its event files.
 *
 *     tap_board_open("logs", NULL, &board, &err);
 *     tap_board_tensor(board, "conv1", step, tensor, false, &err);
 *     tap_board_close(board, &err);
 *
 * A file appears under its name whole or not at all. */
#ifndef ONNXTAP_BOARD_H
#define ONNXTAP_BOARD_H

#include "onnxtap.h"
#include "stats.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tap_board_options {
    size_t size;
    bool images; /* tap_board_tensor: of tensors of rank 4 also the first sample, as TAG/image */
} tap_board_options;

typedef struct tap_board tap_board;

/* A new event file in that folder, which is made where it is missing. Errors: TAP_IO, TAP_MEMORY. */
TAP_API tap_status tap_board_open(const char *folder, const tap_board_options *options, tap_board **out,
                                  tap_error *err);
/* Gives the file its name, and frees the board. */
TAP_API tap_status tap_board_close(tap_board *b, tap_error *err);

TAP_API tap_status tap_board_scalar(tap_board *b, const char *tag, int64_t step, double x, tap_error *err);
/* TAG/mean, TAG/std, TAG/zeros (their share), TAG/norm as scalars (TAG/nonfinite where there are any) and a
 * histogram TAG of value i. */
TAP_API tap_status tap_board_stats(tap_board *b, const char *tag, int64_t step, const tap_stats *s, size_t i,
                                   tap_error *err);
/* The same of one tensor; strings and empty tensors are passed over. */
TAP_API tap_status tap_board_tensor(tap_board *b, const char *tag, int64_t step, const tap_tensor *t,
                                    bool channels_last, tap_error *err);
/* The first sample of t[n][...][...][...] as a picture: as it is with 1, 3 or 4 channels, else a tile a
 * channel. Errors: TAP_UNSUPPORTED (no libpng). */
TAP_API tap_status tap_board_image(tap_board *b, const char *tag, int64_t step, const tap_tensor *t,
                                   bool channels_last, tap_error *err);

/* The user data of tap_board_listen, a tap_listener that adds each tapped tensor: its tag is its layer, or
 * else its name. Initializers are added at the first step only. */
typedef struct tap_boarder {
    size_t size;
    tap_board *board;
    const tap_model *model;
    int64_t step;
    int64_t first_step;
    tap_status status; /* of the first failure: the run then ends, TAP_CANCELLED */
    tap_error *err;
} tap_boarder;

TAP_API int tap_board_listen(const tap_event *event, void *boarder);

#ifdef __cplusplus
}
#endif
#endif
