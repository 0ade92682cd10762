/* Operators of com.microsoft: results by hand, what expansions refuse, and what the library does with an
 * operator that is a function. */
#include "node.h"

/* Both operands by 0.5 and 0.25, the sum by 0.5; the second zero point is absent. */
static void qlinear_add(void) {
    node_test t;
    node_begin(&t, "QLinearAdd", 21, 1);
    node_domain(&t, "com.microsoft");
    node_in(&t, TAP_UINT8, "2,2", NUMS(130, 126, 255, 0));
    node_const(&t, TAP_FLOAT, "", NUMS(0.5));
    node_const(&t, TAP_UINT8, "", NUMS(128));
    node_in(&t, TAP_UINT8, "2", NUMS(4, 8));
    node_const(&t, TAP_FLOAT, "", NUMS(0.25));
    node_absent(&t);
    node_const(&t, TAP_FLOAT, "", NUMS(0.5));
    node_gives(&t, 0, TAP_UINT8, "2,2", NUMS(4, 2, 129, 0));
    node_end(&t);
    node_begin(&t, "QLinearAdd", 21, 1);
    node_domain(&t, "com.microsoft");
    node_in(&t, TAP_UINT8, "2", NUMS(1, 2));
    node_absent(&t);
    node_absent(&t);
    node_in(&t, TAP_UINT8, "2", NUMS(4, 8));
    node_const(&t, TAP_FLOAT, "", NUMS(0.25));
    node_absent(&t);
    node_const(&t, TAP_FLOAT, "", NUMS(0.5));
    node_fails(&t, TAP_MODEL, "input 1 (A_scale) is missing");
    node_end(&t);
}

/* 4 bits: weights 0 .. 15 less the default zero point, 8, by a scale for each block of 16. */
static void matmul_nbits(bool constant) {
    double b[16], a[32];
    for (int i = 0; i < 16; i++) b[i] = (2 * i % 16) | (2 * i + 1) % 16 << 4;
    for (int i = 0; i < 32; i++) a[i] = i == 3 || i == 17;
    node_test t;
    node_begin(&t, "MatMulNBits", 21, 1);
    node_domain(&t, "com.microsoft");
    node_int(&t, "K", 32);
    node_int(&t, "N", 1);
    node_int(&t, "block_size", 16);
    node_in(&t, TAP_FLOAT, "1,32", a);
    if (constant)
        node_const(&t, TAP_UINT8, "1,2,8", b);
    else
        node_in(&t, TAP_UINT8, "1,2,8", b);
    node_const(&t, TAP_FLOAT, "1,2", NUMS(1, 0.5));
    node_gives(&t, 0, TAP_FLOAT, "1,1", NUMS((3 - 8) * 1 + (1 - 8) * 0.5));
    node_end(&t);
}

static void few_bits(void) {
    matmul_nbits(true);
    matmul_nbits(false);
}

/* Rows behind the end of a sequence, and a mask of lengths. */
static void mask_of_lengths(void) {
    node_test t;
    node_begin(&t, "MultiHeadAttention", 21, 1);
    node_domain(&t, "com.microsoft");
    node_int(&t, "num_heads", 1);
    node_float(&t, "mask_filter_value", -INFINITY);
    node_in(&t, TAP_FLOAT, "1,1,2", NUMS(1, 1));
    node_in(&t, TAP_FLOAT, "1,2,2", NUMS(5, 5, 9, 9));
    node_in(&t, TAP_FLOAT, "1,2,2", NUMS(1, 2, 3, 4));
    node_absent(&t);
    node_in(&t, TAP_INT32, "1", NUMS(1));
    node_gives(&t, 0, TAP_FLOAT, "1,1,2", NUMS(1, 2));
    node_end(&t);
}

static void refusals(void) {
    node_test t;
    node_begin(&t, "MultiHeadAttention", 21, 1);
    node_domain(&t, "com.microsoft");
    node_in(&t, TAP_FLOAT, "1,1,2", NUMS(1, 1));
    node_fails(&t, TAP_MODEL, "num_heads must be given");
    node_end(&t);
    node_begin(&t, "Gelu", 21, 1);
    node_domain(&t, "com.microsoft");
    node_int(&t, "fast", 1);
    node_in(&t, TAP_FLOAT, "1", NUMS(1));
    node_fails(&t, TAP_MODEL, "attribute 'fast' is not one of this operator's");
    node_end(&t);
    node_begin(&t, "FusedConv", 21, 1);
    node_domain(&t, "com.microsoft");
    node_string(&t, "activation", "Nonsense");
    node_in(&t, TAP_FLOAT, "1,1,2", NUMS(1, 1));
    node_const(&t, TAP_FLOAT, "1,1,1", NUMS(1));
    node_fails(&t, TAP_MODEL, "activation 'Nonsense'");
    node_end(&t);
    node_begin(&t, "BiasGelu", 21, 1);
    node_domain(&t, "com.microsoft");
    node_in(&t, TAP_FLOAT, "2", NUMS(1, 2));
    node_fails(&t, TAP_MODEL, "it has 1 input, this operator takes 2");
    node_end(&t);
    node_begin(&t, "NoSuchThing", 21, 1);
    node_domain(&t, "com.microsoft");
    node_in(&t, TAP_FLOAT, "2", NUMS(1, 2));
    node_fails(&t, TAP_UNSUPPORTED, "domain com.microsoft has no operator NoSuchThing");
    node_end(&t);
}

static void tokens(void) {
    node_test t;
    node_begin(&t, "Tokenizer", 21, 1);
    node_domain(&t, "com.microsoft");
    node_string(&t, "tokenexp", ".");
    node_string(&t, "pad_value", "#");
    node_int(&t, "mark", 1);
    node_int(&t, "mincharnum", 1);
    node_in_strings(&t, "2", STRS("a\xC3\xA4", "b"));
    node_gives_strings(&t, 0, "2,4", STRS("\x02", "a", "\xC3\xA4", "\x03", "\x02", "b", "\x03", "#"));
    node_end(&t);
}

/* Weights in blocks of 8: those of C channels lie [C][M] where both are a block, and their number tells that
 * a block is not 16. */
static void blocks_of_channels(void) {
    double w[64] = {0}, y[8];
    node_test t;
    for (int m = 0; m < 8; m++) {
        w[0 * 8 + m] = m;
        w[3 * 8 + m] = 10 * m;
        y[m] = 2 * m + 3 * 10 * m;
    }
    node_begin(&t, "Conv", 21, 1);
    node_domain(&t, "com.microsoft.nchwc");
    node_in(&t, TAP_FLOAT, "1,8,1,1", NUMS(2, 0, 0, 3, 0, 0, 0, 0));
    node_const(&t, TAP_FLOAT, "8,8,1,1", w);
    node_gives(&t, 0, TAP_FLOAT, "1,8,1,1", y);
    node_end(&t);
    /* Of 3 channels, which are no block, [C][M] as well; two places each. */
    for (int i = 0; i < 48; i++) w[i] = i;
    for (int m = 0; m < 8; m++)
        y[m] = w[(0 * 2 + 0) * 8 + m] * 1 + w[(0 * 2 + 1) * 8 + m] * 10 + w[(2 * 2 + 1) * 8 + m] * 100;
    node_begin(&t, "Conv", 21, 1);
    node_domain(&t, "com.microsoft.nchwc");
    node_in(&t, TAP_FLOAT, "1,3,1,2", NUMS(1, 10, 0, 0, 0, 100));
    node_const(&t, TAP_FLOAT, "8,3,1,2", w);
    node_gives(&t, 0, TAP_FLOAT, "1,8,1,1", y);
    node_end(&t);
    node_begin(&t, "ReorderOutput", 21, 1);
    node_domain(&t, "com.microsoft.nchwc");
    node_int(&t, "channels", 2);
    node_int(&t, "channels_last", 1);
    node_in(&t, TAP_FLOAT, "1,4,1,2", NUMS(1, 2, 3, 4, 5, 6, 7, 8));
    node_gives(&t, 0, TAP_FLOAT, "1,1,2,2", NUMS(1, 3, 2, 4));
    node_end(&t);
}

/* Values inside of the function have names of their own, and can be looked at. */
static void inner_values(void) {
    node_test t;
    node_begin(&t, "BiasGelu", 21, 1);
    node_domain(&t, "com.microsoft");
    node_in(&t, TAP_FLOAT, "2", NUMS(0, 1));
    node_const(&t, TAP_FLOAT, "2", NUMS(0, -1));
    node_gives(&t, 0, TAP_FLOAT, "2", NUMS(0, 0));
    bool found = false;
    for (size_t i = 0; t.model && i < tap_model_value_count(t.model); i++) {
        tap_value_info v = {.size = sizeof v};
        found = found || (tap_model_value(t.model, i, &v) && strcmp(v.name, "n/biased") == 0);
    }
    CHECK(found);
    node_end(&t);
}

int main(void) {
    static const test_case tests[] = {TEST(qlinear_add), TEST(few_bits), TEST(mask_of_lengths),
                                      TEST(refusals),    TEST(tokens),   TEST(blocks_of_channels),
                                      TEST(inner_values)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
