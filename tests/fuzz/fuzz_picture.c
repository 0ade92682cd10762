/* Any bytes as a picture for ImageDecoder: decoded, found to be none, or refused with a message, within the
 * budget. */
#include "fuzz.h"
#include "onnxtap/onnxtap.h"

enum { BUDGET = 64 << 20 };

/* y[?][?][3] = ImageDecoder(x[?]) */
static const uint8_t model_bytes[] = {
    0x08, 0x09, 0x3a, 0x35, 0x0a, 0x14, 0x0a, 0x01, 'x',  0x12, 0x01, 'y',  0x22, 0x0c, 'I',  'm',
    'a',  'g',  'e',  'D',  'e',  'c',  'o',  'd',  'e',  'r',  0x12, 0x01, 'g',  0x5a, 0x0d, 0x0a,
    0x01, 'x',  0x12, 0x08, 0x0a, 0x06, 0x08, 0x02, 0x12, 0x02, 0x0a, 0x00, 0x62, 0x0b, 0x0a, 0x01,
    'y',  0x12, 0x06, 0x0a, 0x04, 0x08, 0x02, 0x12, 0x00, 0x42, 0x04, 0x0a, 0x00, 0x10, 0x14};

static tap_model *model(void) {
    static tap_model *m;
    const tap_model_options options = {.size = sizeof options, .memory_limit_bytes = BUDGET};
    if (!m) PROMISE(tap_model_open_memory(model_bytes, sizeof model_bytes, &options, &m, NULL) == TAP_OK);
    return m;
}

static volatile unsigned sink;

static void look_at(const tap_tensor *y) {
    const int64_t *dims = tap_tensor_dims(y);
    const uint8_t *p = tap_tensor_data(y);
    unsigned sum = 0;
    PROMISE(tap_tensor_rank(y) == 3 && dims[2] == 3 && (dims[0] > 0) == (dims[1] > 0));
    for (int64_t i = 0; i < tap_tensor_count(y); i++) sum += p[i]; /* uninitialised memory would show */
    sink = sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    tap_error err = TAP_ERROR_INIT;
    tap_session *s;
    tap_value *x;
    const tap_session_options options = {.size = sizeof options, .threads = 1};
    PROMISE(tap_session_new(model(), &options, &s, &err) == TAP_OK);
    PROMISE(tap_value_wrap(TAP_UINT8, 1, (int64_t[]){(int64_t)n}, bytes, &x, &err) == TAP_OK);
    const tap_input input = {"x", x};
    const tap_status status = tap_session_run(s, &input, 1, &err);
    PROMISE(status == TAP_OK || status == TAP_MEMORY || status == TAP_UNSUPPORTED);
    PROMISE((status == TAP_OK) == (err.text[0] == '\0'));
    if (status == TAP_OK) look_at(tap_value_tensor(tap_session_output(s, 0)));
    tap_value_release(x);
    tap_session_free(s);
    return 0;
}
