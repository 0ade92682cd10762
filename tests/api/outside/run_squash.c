/* run_squash MODEL: runs a model that needs the operator of squash.c, and shows what that computes beside the
 * output. Without the operator the library must refuse the model; this program fails where it does not. */
#include <onnxtap/op.h>
#include <stdio.h>

extern const tap_op_set onnxtap_ops;

static void print(const char *name, const tap_value *v) {
    const tap_tensor *t = tap_value_tensor(v);
    const float *x = tap_tensor_data(t);
    printf("%s:", name);
    for (int64_t i = 0; i < tap_tensor_count(t); i++) printf(" %g", (double)x[i]);
    printf("\n");
}

static tap_status run(tap_model *model, tap_error *err) {
    static const float rows[2][4] = {{-2, -1, 2, 8}, {6, 1, -6, 2}};
    tap_session *session = NULL;
    tap_value *x = NULL;
    tap_status s = tap_session_new(model, NULL, &session, err);
    if (s == TAP_OK) s = tap_session_tap(session, "op:Squash", NULL, err);
    if (s == TAP_OK) s = tap_value_wrap(TAP_FLOAT, 2, (const int64_t[]){2, 4}, rows, &x, err);
    if (s == TAP_OK) s = tap_session_run(session, &(tap_input){"x", x}, 1, err);
    if (s == TAP_OK) {
        print("small", tap_session_value(session, "small"));
        print("y", tap_session_value(session, "y"));
    }
    tap_value_release(x);
    tap_session_free(session);
    return s;
}

int main(int argc, char **argv) {
    const tap_model_options options = {.size = sizeof options, .ops = &onnxtap_ops};
    tap_error err = TAP_ERROR_INIT;
    tap_model *model = NULL;
    if (argc != 2) return 2;
    if (tap_model_open(argv[1], NULL, &model, NULL) != TAP_UNSUPPORTED) {
        fprintf(stderr, "run_squash: opened without the operator\n");
        return 1;
    }
    if (tap_model_open(argv[1], &options, &model, &err) || run(model, &err))
        fprintf(stderr, "run_squash: %s\n", err.text);
    tap_model_free(model);
    return tap_status_exit(err.code);
}
