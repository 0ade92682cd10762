/* Core: budgets, arenas, shapes, sub-byte packing, values. */
#include "test.h"

#include "core/error.h"
#include "core/tensor.h"

static void budget_limits(void) {
    tap_budget b;
    tap_budget_init(&b, 4096);
    void *p = tap_mem_alloc(&b, 1024);
    CHECK(p != NULL);
    CHECK(((uintptr_t)p & (TAP_ALIGN - 1)) == 0);
    CHECK(tap_mem_alloc(&b, 4096) == NULL);
    tap_mem_free(&b, p);
    CHECK_EQ(b.used, 0);
    CHECK(b.peak >= 1024);
    CHECK(tap_mem_alloc(&b, SIZE_MAX - 10) == NULL);
}

static void arena_keeps_blocks_apart(void) {
    tap_budget b;
    tap_budget_init(&b, UINT64_MAX);
    tap_arena a;
    tap_arena_init(&a, &b);
    char *x = tap_arena_string(&a, "abc", 3), *big = tap_arena_zero(&a, 100000),
         *y = tap_arena_printf(&a, "%d", 42);
    CHECK_STR(x, "abc");
    CHECK_STR(y, "42");
    CHECK_EQ(big[99999], 0);
    CHECK(tap_arena_array(&a, SIZE_MAX / 2, 4) == NULL);
    tap_arena_clear(&a);
    CHECK_EQ(b.used, 0);
}

static void shapes_overflow(void) {
    tap_tensor t;
    CHECK(tap_tensor_shape(&t, TAP_FLOAT, 3, (int64_t[]){2, 3, 4}));
    CHECK_EQ(t.count, 24);
    CHECK(tap_tensor_shape(&t, TAP_FLOAT, 0, NULL));
    CHECK_EQ(t.count, 1);
    CHECK(!tap_tensor_shape(&t, TAP_FLOAT, 2, (int64_t[]){INT64_MAX, 2}));
    CHECK(!tap_tensor_shape(&t, TAP_FLOAT, 1, (int64_t[]){INT64_MAX / 2}));
    CHECK(!tap_tensor_shape(&t, TAP_FLOAT, 1, (int64_t[]){-1}));
    CHECK(!tap_tensor_shape(&t, TAP_FLOAT, TAP_RANK_MAX + 1, (int64_t[TAP_RANK_MAX + 1]){0}));
    CHECK(tap_tensor_shape(&t, TAP_FLOAT, 2, (int64_t[]){0, 5}));
    CHECK_EQ(t.count, 0);
}

static void bits_round_trip(void) {
    const int8_t x[5] = {-8, 7, -1, 0, 3};
    uint8_t packed[3];
    int8_t y[5];
    size_t n;
    CHECK(tap_packed_bytes(TAP_INT4, 5, &n));
    CHECK_EQ(n, 3);
    tap_pack_bits(TAP_INT4, 5, x, packed);
    CHECK_EQ(packed[0], 0x78);
    tap_unpack_bits(TAP_INT4, 5, packed, y);
    CHECK(memcmp(x, y, 5) == 0);
    const int8_t x2[5] = {-2, 1, -1, 0, 1};
    tap_pack_bits(TAP_INT2, 5, x2, packed);
    tap_unpack_bits(TAP_INT2, 5, packed, y);
    CHECK(memcmp(x2, y, 5) == 0);
    const uint8_t x6[5] = {0x3F, 0x01, 0x20, 0x15, 0x2A};
    uint8_t packed6[4];
    CHECK(tap_packed_bytes(TAP_FLOAT6E2M3, 5, &n));
    CHECK_EQ(n, 4);
    tap_pack_bits(TAP_FLOAT6E2M3, 5, x6, packed6);
    CHECK(memcmp(packed6, (uint8_t[]){0x7F, 0x00, 0x56, 0x2A}, 4) == 0);
    tap_unpack_bits(TAP_FLOAT6E2M3, 5, packed6, y);
    CHECK(memcmp(x6, y, 5) == 0);
}

static void string_values_copy_deeply(void) {
    tap_value *v, *w;
    CHECK_EQ(tap_value_new(TAP_STRING, 1, (int64_t[]){2}, &v, NULL), TAP_OK);
    CHECK_EQ(tap_value_set_string(v, 1, "hello", 5, NULL), TAP_OK);
    CHECK_EQ(tap_value_copy(v, &w, NULL), TAP_OK);
    tap_value_release(v);
    const tap_string *s = tap_tensor_data(tap_value_tensor(w));
    CHECK_EQ(s[0].n, 0);
    CHECK(s[1].n == 5 && memcmp(s[1].s, "hello", 5) == 0);
    tap_value_release(w);
}

static void sequences_own_their_items(void) {
    tap_value *a, *s, *c;
    CHECK_EQ(tap_value_new(TAP_FLOAT, 0, NULL, &a, NULL), TAP_OK);
    CHECK_EQ(tap_value_new_sequence(&a, 1, TAP_FLOAT, &s, NULL), TAP_OK);
    CHECK_EQ(tap_value_copy(s, &c, NULL), TAP_OK);
    tap_value_release(s);
    CHECK_EQ(tap_value_length(c), 1);
    CHECK_EQ(tap_value_kind(tap_value_item(c, 0)), TAP_KIND_TENSOR);
    tap_value_release(c);
}

static void count_call(void *owner) {
    ++*(int *)owner;
}

static void borrowed_memory_is_let_go_once(void) {
    static float x[2] = {1, 2};
    int calls = 0;
    tap_buffer *b = tap_buffer_wrap_owned(NULL, x, sizeof x, count_call, &calls);
    tap_tensor t = {.data = x, .buffer = b};
    CHECK(tap_tensor_shape(&t, TAP_FLOAT, 1, (int64_t[]){2}));
    tap_value *v = tap_value_share(NULL, &t);
    tap_buffer_release(b);
    CHECK_EQ(calls, 0);
    CHECK(tap_value_data(v) == NULL);
    tap_value_release(v);
    CHECK_EQ(calls, 1);
}

static void errors_are_cut_not_overrun(void) {
    tap_error e = TAP_ERROR_INIT;
    char long_text[6000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    CHECK_EQ(tap_error_set(&e, TAP_IO, "%s", long_text), TAP_IO);
    CHECK_EQ(strlen(e.text), sizeof e.text - 1);
    CHECK_STR(e.text + sizeof e.text - 4, "...");
    CHECK_EQ(tap_error_set(NULL, TAP_IO, "x"), TAP_IO);
}

int main(void) {
    static const test_case tests[] = {TEST(budget_limits),
                                      TEST(arena_keeps_blocks_apart),
                                      TEST(shapes_overflow),
                                      TEST(bits_round_trip),
                                      TEST(string_values_copy_deeply),
                                      TEST(sequences_own_their_items),
                                      TEST(borrowed_memory_is_let_go_once),
                                      TEST(errors_are_cut_not_overrun)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
