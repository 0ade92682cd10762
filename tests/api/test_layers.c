/* Layers: what is read from models that are named as exporters name them (tests/data/layers), with a
 * framework's list and without; selectors; the order of axes. */
#include "fixture.h"

#include <stdlib.h>

static tap_model *open_layers(const char *name, const char *list) {
    char model[512], path[512];
    tap_model_options o = {.size = sizeof o};
    tap_error err = TAP_ERROR_INIT;
    tap_model *m = NULL;
    snprintf(model, sizeof model, "../layers/%s", name);
    if (list) snprintf(path, sizeof path, "%s", fixture_path(model, ".layers.json"));
    o.layer_list = list ? path : NULL;
    if (tap_model_open(fixture_path(model, ".onnx"), &o, &m, &err) != TAP_OK) FAIL(err.text);
    return m;
}

static void add(char *text, size_t room, const char *more) {
    strncat(text, more, room - strlen(text) - 1);
}

static void add_numbers(char *text, size_t room, int32_t n, const int32_t *perm) {
    for (int32_t i = 0; i < n; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", (int)perm[i]);
        add(text, room, number);
    }
}

/* "key status tensor perm" of one layer, "?" where the order of axes is not known; merged ones behind '+'. */
static const char *about(const tap_model *m, const char *key) {
    static char text[2048];
    size_t n = 0;
    tap_error err = TAP_ERROR_INIT;
    if (tap_model_layers(m, &n, &err) != TAP_OK) FAIL(err.text);
    for (size_t i = 0; i < n; i++) {
        tap_layer_info l = {.size = sizeof l};
        tap_value_info v = {.size = sizeof v};
        CHECK(tap_model_layer(m, i, &l));
        if (strcmp(l.key, key) != 0) continue;
        snprintf(text, sizeof text, "%s", tap_layer_status_name(l.status));
        if (!tap_model_value(m, l.value, &v)) return text;
        add(text, sizeof text, " ");
        add(text, sizeof text, v.name);
        add(text, sizeof text, l.perm ? " " : " ?");
        if (l.perm) add_numbers(text, sizeof text, l.rank, l.perm);
        for (size_t k = 0; k < l.n_merged; k++) {
            add(text, sizeof text, " +");
            add(text, sizeof text, l.merged[k]);
        }
        return text;
    }
    return "not listed";
}

static void keras3(void) {
    tap_model *m = open_layers("keras3", NULL);
    if (!m) return;
    CHECK_STR(about(m, "image"), "alias image 0123");
    CHECK_STR(about(m, "conv1"), "found net_1/conv1_1/Relu:0 0231");
    CHECK_STR(about(m, "conv2"), "folded"); /* the sum is there only once the normalisation is in it */
    CHECK_STR(about(m, "bn2"), "found Conv__9:0 0231 +conv2");
    CHECK_STR(about(m, "gap"), "found net_1/gap_1/Mean_Squeeze__20:0 01");
    CHECK_STR(about(m, "flat"), "found net_1/flat_1/Reshape:0 01");
    CHECK_STR(about(m, "inner/dense"), "found net_1/inner_1/dense_1/Tanh:0 01");
    CHECK_STR(about(m, "inner/dense_1"), "found net_1/inner_3/dense_1/Tanh:0 01");
    CHECK_STR(about(m, "inner"), "found net_1/inner_1/dense_1/Tanh:0 01");
    CHECK_STR(about(m, "inner_1"), "found net_1/inner_3/dense_1/Tanh:0 01");
    CHECK_STR(about(m, "out"), "found out 01");
    CHECK_STR(about(m, "net"), "not listed");
    tap_model_free(m);
}

static void keras3_with_list(void) {
    tap_model *m = open_layers("keras3", "keras3");
    if (!m) return;
    CHECK_STR(about(m, "conv2"), "folded");
    CHECK_STR(about(m, "bn2"), "found Conv__9:0 0231 +conv2");
    CHECK_STR(about(m, "drop"), "alias net_1/relu2_1/Relu:0 0231");
    CHECK_STR(about(m, "add"), "found net_1/Add:0 0231"); /* an operation of the model, in no scope */
    CHECK_STR(about(m, "inner_1"), "found net_1/inner_3/dense_1/Tanh:0 01");
    CHECK_STR(about(m, "elsewhere"), "unknown");
    tap_model_free(m);
}

static void recurrent(void) {
    tap_model *m = open_layers("keras2", NULL);
    if (!m) return;
    CHECK_STR(about(m, "first"), "found StatefulPartitionedCall/rnn/first/transpose_1:0 012");
    CHECK_STR(about(m, "second"),
              "found Squeeze__31:0 102"); /* time first, and the framework has it second */
    CHECK_STR(about(m, "second:1"), "found Identity_1:0 01");
    CHECK_STR(about(m, "second:2"), "found Identity_2:0 01");
    CHECK_STR(about(m, "end"), "found StatefulPartitionedCall/rnn/end/Sigmoid:0 102");
    tap_model_free(m);
}

/* Keras 2 takes names with a slash: a layer "fc/relu" behind a layer "fc" looks as if it were in it. */
static void slashes(void) {
    for (int listed = 0; listed < 2; listed++) {
        tap_model *m = open_layers("slashes", listed ? "slashes" : NULL);
        if (!m) return;
        CHECK_STR(about(m, "conv"), "folded");
        CHECK_STR(about(m, "conv/bn"), "found net/conv/bn/FusedBatchNormV3:0 0231 +conv");
        CHECK_STR(about(m, "fc"), listed ? "found net/fc/BiasAdd:0 01" : "unknown");
        CHECK_STR(about(m, "fc/relu"), "found net/fc/relu/Relu:0 01");
        CHECK_STR(about(m, "late0"), "folded");
        CHECK_STR(about(m, "late1"), "folded");
        if (listed) CHECK_STR(about(m, "sum"), "found net/sum/add:0 01");
        CHECK_STR(about(m, "own"), "found net/own/leaky_re_lu_2/LeakyRelu:0 01");
        tap_model_free(m);
    }
}

static void given_channels_first(void) {
    tap_model *m = open_layers("nchw", NULL);
    if (!m) return;
    CHECK_STR(about(m, "image"), "alias image 0231");
    CHECK_STR(about(m, "cat"), "found net_1/cat_1/concat:0 0231");
    CHECK_STR(about(m, "mean"), "found net_1/mean_1/Mean:0 021");
    CHECK_STR(about(m, "pad"), "found net_1/pad_1/Pad:0 0231");
    tap_model_free(m);
}

static void groups(void) {
    tap_model *m = open_layers("tflite", NULL);
    if (!m) return;
    CHECK_STR(about(m, "image"), "alias serving_default_image:0 0123");
    CHECK_STR(about(m, "conv"), "folded");
    CHECK_HAS(about(m, "bn"), "found net_1/relu_1/Relu;net_1/bn_1/batchnorm/add_1");
    CHECK_STR(about(m, "relu"), "found Relu__5:0 0231");
    CHECK_STR(about(m, "dense"), "found Relu__10:0 01");
    CHECK_STR(about(m, "last"), "unknown"); /* the nameless Softmax may be its own or another layer's */
    tap_model_free(m);
}

static void traced(void) {
    tap_model *m = open_layers("scopes", NULL);
    if (!m) return;
    CHECK_STR(about(m, "features.0.conv"), "folded");
    CHECK_STR(about(m, "features.0"), "found /features/features.0/act/Relu_output_0 0123");
    CHECK_STR(about(m, "features.1"), "found /features/features.1/Conv_output_0 0123");
    CHECK_STR(about(m, "act_2"), "found /act_2/PRelu_output_0 0123"); /* it has weights of that name */
    CHECK_STR(about(m, "act#1"), "found /act_1/Relu_output_0 0123");
    CHECK_STR(about(m, "two"), "unknown"); /* two values leave it */
    tap_model_free(m);
    m = open_layers("scopes", "scopes");
    if (!m) return;
    CHECK_STR(about(m, "features.0.conv"), "folded");
    CHECK_STR(about(m, "features.0.norm"),
              "found /features/features.0/conv/Conv_output_0 0123 +features.0.conv");
    CHECK_STR(about(m, "features.0.drop"), "alias /features/features.0/act/Relu_output_0 0123");
    CHECK_STR(about(m, "late"), "unknown");
    tap_model_free(m);
}

/* Scopes that several calls have, or parts of one: no layer is given another's value. */
static void traced_again(void) {
    tap_model *m = open_layers("scopes_again", NULL);
    if (!m) return;
    CHECK_STR(about(m, "conv"), "found /conv/Gemm_output_0 01");
    CHECK_STR(about(m, "conv_1"), "unknown");
    CHECK_STR(about(m, "act"), "found /act/Relu_output_0 01");
    CHECK_STR(about(m, "act#1"), "not listed");
    CHECK_STR(about(m, "act_1"), "found /act_1/Tanh_output_0 01");
    CHECK_STR(about(m, "block"), "unknown");
    CHECK_STR(about(m, "block#1"), "unknown");
    CHECK_STR(about(m, "block.b"), "found /block/b/Gemm_output_0 01");
    CHECK_STR(about(m, "block.b#1"), "found /block/b_1/Gemm_output_0 01");
    CHECK_STR(about(m, "l"), "unknown"); /* time first, and the layer has the batch first */
    CHECK_STR(about(m, "m"), "unknown");
    CHECK_STR(about(m, "n"), "found /n/Transpose_output_0 012");
    tap_model_free(m);
}

/* A list tells what a module hands on as another gave it. */
static void handed_on(void) {
    tap_model *m = open_layers("handed", "handed");
    if (!m) return;
    CHECK_STR(about(m, "block.drop"), "alias /block/Add_output_0 01");
    CHECK_STR(about(m, "block"), "found /block/Add_output_0 01");
    CHECK_STR(about(m, "tail.0"), "folded");
    CHECK_STR(about(m, "tail"), "folded"); /* it ends in that convolution */
    CHECK_STR(about(m, "norm"), "found /tail/tail.0/Conv_output_0 0123 +tail");
    CHECK_STR(about(m, "attn"), "found /attn/Mul_output_0 0123");
    CHECK_STR(about(m, "rms"), "found /rms/Mul_output_0 0123");
    CHECK_STR(about(m, "attn:1"), "unknown"); /* its weights are of two samples, and that is of one */
    tap_model_free(m);
}

static void exported(void) {
    tap_model *m = open_layers("fx", NULL);
    if (!m) return;
    CHECK_STR(about(m, "layers.0"), "found mul 01"); /* not the mask, which the next layer shares */
    CHECK_STR(about(m, "act"), "found relu 01");
    CHECK_STR(about(m, "act#1"), "found relu_1 01");
    CHECK_STR(about(m, "rotary"), "unknown"); /* what follows was swallowed: this is from the middle */
    CHECK_STR(about(m, "head"), "found logits 01");
    tap_layer_info l = {.size = sizeof l};
    CHECK(tap_model_layer(m, 0, &l));
    CHECK_STR(l.kind, "pkg.Fc");
    tap_model_free(m);
}

/* Modules called twice in a row, and what a node that swallowed another takes: no layer is given another's
 * value. */
static void exported_again(void) {
    tap_model *m = open_layers("fx_again", NULL);
    if (!m) return;
    CHECK_STR(about(m, "own"), "unknown");
    CHECK_STR(about(m, "pair"), "unknown");
    CHECK_STR(about(m, "pair.0"), "unknown");
    CHECK_STR(about(m, "tall"),
              "found exp_1 01"); /* one call: its operations do not come again in the same order */
    CHECK_STR(about(m, "act"), "unknown");
    CHECK_STR(about(m, "mid.0"), "found sin 01");
    CHECK_STR(about(m, "mid"), "unknown"); /* its product is in norm's weights */
    CHECK_STR(about(m, "norm"), "found normed 01");
    CHECK_STR(about(m, "head"), "found y 01");
    tap_model_free(m);
}

static void only_nodes(void) {
    tap_model *m = open_layers("nodes", NULL);
    if (!m) return;
    CHECK_STR(about(m, "Absolute"), "found a 01");
    CHECK_STR(about(m, "Best"), "found values 01");
    CHECK_STR(about(m, "Best:1"), "found indices 01");
    tap_model_free(m);
}

static const char *pick(const tap_model *m, const char *selector) {
    static char text[4096];
    tap_error err = TAP_ERROR_INIT;
    size_t *indices = NULL, n = 0;
    text[0] = '\0';
    if (tap_model_select(m, &selector, 1, &indices, &n, &err) != TAP_OK) {
        snprintf(text, sizeof text, "%s", err.text);
        return text;
    }
    for (size_t i = 0; i < n; i++) {
        tap_value_info v = {.size = sizeof v};
        CHECK(tap_model_value(m, indices[i], &v));
        add(text, sizeof text, i ? " " : "");
        add(text, sizeof text, v.name);
    }
    tap_free(indices);
    return text;
}

static void selectors(void) {
    tap_model *m = open_layers("keras3", NULL);
    if (!m) return;
    CHECK_STR(pick(m, "layer:conv1"), "net_1/conv1_1/Relu:0");
    CHECK_STR(pick(m, "layer:inner/dense"), "net_1/inner_1/dense_1/Tanh:0");
    CHECK_STR(pick(m, "layer:inner/dense#1"), "net_1/inner_3/dense_1/Tanh:0");
    CHECK_STR(pick(m, "layer:inner/dense_1"), "net_1/inner_3/dense_1/Tanh:0");
    CHECK_STR(pick(m, "layer:*conv*"), "net_1/conv1_1/Relu:0");
    CHECK_STR(pick(m, "layer:relu2..layer:flat"),
              "net_1/relu2_1/Relu:0 Transpose__12:0 net_1/flat_1/Reshape:0");
    CHECK_HAS(pick(m, "layer:conv2"), "merged into another");
    CHECK_HAS(pick(m, "layer:cnov1"), "nearest: 'conv1'");
    tap_model_free(m);
}

/* Each value tells its layer, and its own order of axes, whether it is a layer's output or not. */
static void values(void) {
    tap_model *m = open_layers("keras3", NULL);
    int32_t perm[TAP_RANK_MAX];
    tap_value_info v = {.size = sizeof v};
    tap_layer_info l = {.size = sizeof l};
    if (!m) return;
    for (size_t i = 0; tap_model_value(m, i, &v); i++) {
        size_t layer = tap_model_layer_of(m, i);
        if (strcmp(v.name, "Conv__9:0") == 0) {
            CHECK(tap_model_layer(m, layer, &l));
            CHECK_STR(l.key, "bn2");
        }
        if (strcmp(v.name, "net_1/conv1_1/BiasAdd:0") == 0) {
            CHECK(layer == SIZE_MAX); /* inside of conv1, before its activation */
            CHECK_EQ(tap_model_layout(m, i, perm), 4);
            CHECK(perm[0] == 0 && perm[1] == 2 && perm[2] == 3 && perm[3] == 1);
        }
        if (strcmp(v.name, "Transpose__12:0") == 0) {
            CHECK_EQ(tap_model_layout(m, i, perm), 4);
            CHECK(perm[1] == 1 && perm[2] == 2);
        }
    }
    CHECK_EQ(tap_model_layout(m, 1000000, perm), -1);
    CHECK(!tap_model_layer(m, 1000000, &l));
    tap_model_free(m);
}

static void write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    if (f) fputs(text, f);
    if (!f || fclose(f) != 0) FAIL(path);
}

static void refuses(const char *text, tap_status status, const char *says) {
    tap_model_options o = {.size = sizeof o, .layer_list = "layers_test_list.json"};
    tap_error err = TAP_ERROR_INIT;
    tap_model *m = NULL;
    if (text) write_text(o.layer_list, text);
    CHECK_EQ(tap_model_open(fixture_path("../layers/nodes", ".onnx"), &o, &m, &err), status);
    CHECK_HAS(err.text, says);
    CHECK(m == NULL);
    remove(o.layer_list);
}

static void bad_lists(void) {
    refuses(NULL, TAP_IO, "layers_test_list.json");
    refuses("{\"layers\": [", TAP_DATA, "line");
    refuses("[]", TAP_DATA, "no array \"layers\"");
    refuses("{\"layers\": [{\"class\": \"Dense\"}]}", TAP_DATA, "entry 0");
}

/* A list that has nothing to do with the file, and one that is odd: all is unknown, nothing breaks. */
static void strange_list(void) {
    const char *path = "layers_test_strange.json";
    tap_model_options o = {.size = sizeof o, .layer_list = path};
    tap_error err = TAP_ERROR_INIT;
    tap_model *m = NULL;
    write_text(path,
               "{\"layers\": [{\"layer\": \"a\", \"outputs\": [{\"shape\": null}, {}], \"inputs\": [[], "
               "[[\"a\", 0, 1], "
               "null, [\"zz\", 7, 9], 5]]}, {\"layer\": \"a\", \"class\": \"Dropout\", \"inputs\": 3}]}");
    CHECK_EQ(tap_model_open(fixture_path("../layers/keras3", ".onnx"), &o, &m, &err), TAP_OK);
    remove(path);
    if (!m) return;
    CHECK_STR(about(m, "a"), "unknown");
    CHECK_STR(about(m, "a_1"), "unknown");
    CHECK_STR(about(m, "a_1:1"), "unknown");
    tap_model_free(m);
}

/* What is between a change of shape and the way back is no layer's output. */
static void reshaped(void) {
    tap_model *m = open_layers("reshaped", NULL);
    if (!m) return;
    CHECK_HAS(about(m, "first"), "found net_1/first_1/Relu:0");
    CHECK_STR(about(m, "pool"), "unknown");
    CHECK_HAS(about(m, "conv"), "found net_1/conv_1/convolution/Squeeze:0");
    CHECK_STR(about(m, "norm"), "unknown");
    CHECK_HAS(about(m, "flat"), "found net_1/flat_1/Reshape:0");
    CHECK_HAS(about(m, "rep"), "found net_1/rep_1/Tile:0");
    tap_model_free(m);
}

static void tflite_biases(void) {
    tap_model *m = open_layers("tflite_biases", NULL);
    if (!m) return;
    CHECK_STR(about(m, "conv"), "folded");
    CHECK_STR(about(m, "bn"), "unknown");
    CHECK_HAS(about(m, "act"), "found "
                               "net_1/act_1/Relu;net_1/bn_1/batchnorm/add_1;net_1/conv_1/convolution/"
                               "Squeeze;net_1/conv_1/BiasAdd ");
    CHECK_STR(about(m, "two"), "folded");
    CHECK_HAS(about(m, "three"), "found Add__6:0");
    tap_model_free(m);
}

int main(void) {
    static const test_case tests[] = {TEST(reshaped),
                                      TEST(tflite_biases),
                                      {"keras3", keras3},
                                      {"keras3_with_list", keras3_with_list},
                                      {"recurrent", recurrent},
                                      {"given_channels_first", given_channels_first},
                                      {"groups", groups},
                                      {"traced", traced},
                                      {"traced_again", traced_again},
                                      {"exported", exported},
                                      {"exported_again", exported_again},
                                      {"slashes", slashes},
                                      {"handed_on", handed_on},
                                      {"only_nodes", only_nodes},
                                      {"selectors", selectors},
                                      {"values", values},
                                      {"bad_lists", bad_lists},
                                      {"strange_list", strange_list}};
    return test_main(tests, sizeof tests / sizeof *tests);
}
