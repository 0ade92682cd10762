/* A pass: a model run over a whole data set, batch by batch, with all that looks at it.
 *
 *     tap_recorder recorder = {.size = sizeof recorder, .sink = sink, .model = model};
 *     tap_score score = {.size = sizeof score};
 *     tap_pass_options o = {.size = sizeof o, .session = session, .data = data,
 *                           .recorder = &recorder, .score = &score};
 *     tap_pass_new(&o, &pass, &err);
 *     tap_status s = tap_pass_run(pass, &err);
 *     tap_pass_free(pass);
 *
 * The listener sees each value first, then the recorder, the statistics and TensorBoard. */
#ifndef ONNXTAP_PASS_H
#define ONNXTAP_PASS_H

#include "board.h"
#include "dataset.h"
#include "record.h"
#include "stats.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tap_pass tap_pass;

typedef struct tap_pass_options {
    size_t size;
    tap_session *session;    /* tapped as wanted; tap_session_tap_outputs adds the outputs               */
    tap_dataset *data;       /* started; NULL: one run on `inputs` as they are                           */
    const tap_input *inputs; /* without data; borrowed, as all here, until the pass is freed             */
    size_t n_inputs;
    /* Each may be NULL. Batch, axes and step of these are the pass's to fill in; their `err` is not used. */
    tap_recorder *recorder;
    tap_observer *observer;
    tap_boarder *boarder;
    tap_score *score; /* the data set's labels against tap_pass_prediction; strings are passed over      */
    /* Sees each event before the others: TAP_SKIP to a shown value keeps it from them, TAP_STOP ends the run
     */
    tap_listener *listener;
    /* Before each batch of a data set is run, for tap_session_set; before the first one the axes are those of
     * a session without, and found again afterwards. Not TAP_OK: the pass ends with that.                  */
    tap_status (*before)(tap_pass *pass, void *user, tap_error *err);
    /* After each batch; not TAP_OK: the pass ends with that.                                               */
    tap_status (*step)(tap_pass *pass, void *user, tap_error *err);
    /* Asked before each batch and with each event; true: the pass ends, TAP_CANCELLED. Of a signal, say.   */
    bool (*stop)(void *user);
    void *user; /* of listener, before, step and stop */
} tap_pass_options;

/* Adds the model's outputs to the session's taps, so that they stream, too. */
TAP_API tap_status tap_session_tap_outputs(tap_session *s, tap_error *err);

/* Errors: TAP_MEMORY. */
TAP_API tap_status tap_pass_new(const tap_pass_options *options, tap_pass **out, tap_error *err);
TAP_API void tap_pass_free(tap_pass *p); /* NULL is fine; nothing of the options is freed */

/* Runs over all that the data set gives. The session's listener is the pass's meanwhile. Errors: those of the
 * data, of the runs, of whoever looks; TAP_DATA: labels, and no output has a row for each sample. What was
 * handed on before an error stays with those who have it: a sink is closed or aborted by its owner. */
TAP_API tap_status tap_pass_run(tap_pass *p, tap_error *err);

/* What is at hand, for a listener and `step`. */
TAP_API const tap_batch *tap_pass_batch(const tap_pass *p); /* NULL: no data set                         */
TAP_API const int *tap_pass_axes(const tap_pass *p);        /* by value, of tap_session_batch_axes       */
/* The model's first tensor output with a row for each sample of the batch; NULL: there is none. */
TAP_API const tap_tensor *tap_pass_prediction(const tap_pass *p);
TAP_API int64_t tap_pass_rows(const tap_pass *p); /* done so far                                         */
TAP_API double tap_pass_ms(const tap_pass *p);    /* spent in runs                                       */

#ifdef __cplusplus
}
#endif
#endif
