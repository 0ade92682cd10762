/* look MODEL INPUT.npy SELECTOR: what the model says of the first sample, and what the tapped values look
 * like. */
#include <onnxtap/onnxtap.h>
#include <onnxtap/record.h>
#include <stdio.h>

int main(int argc, char **argv) {
    tap_error err = TAP_ERROR_INIT;
    tap_model *model = NULL;
    tap_session *session = NULL;
    tap_value *x = NULL; /* tap_value_wrap makes one around an array of yours */
    if (argc != 4) return 2;
    if (tap_model_open(argv[1], NULL, &model, &err) || tap_session_new(model, NULL, &session, &err) ||
        tap_session_tap(session, argv[3], NULL, &err) || tap_value_load(argv[2], NULL, &x, &err) ||
        tap_session_run(session, &(tap_input){tap_model_input(model, 0)->name, x}, 1, &err)) {
        fprintf(stderr, "look: %s\n", err.text);
    } else {
        const tap_tensor *y = tap_value_tensor(tap_session_output(session, 0));
        const float *p = tap_tensor_data(y);
        for (int64_t i = 0; i < tap_tensor_dims(y)[1]; i++) printf("class %d: %.4f\n", (int)i, (double)p[i]);
        for (size_t i = 0; i < tap_session_tapped_count(session); i++) {
            const char *name;
            tap_summary s = {.size = sizeof s};
            tap_tensor_summary(tap_value_tensor(tap_session_tapped(session, i, &name, NULL)), &s);
            printf("%s: from %.4f to %.4f, mean %.4f\n", name, s.min, s.max, s.mean);
        }
    }
    tap_value_release(x);
    tap_session_free(session);
    tap_model_free(model);
    return tap_status_exit(err.code);
}
