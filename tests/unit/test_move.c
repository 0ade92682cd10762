/* Strided and permuted copies against the obvious loops. */
#include "test.h"

#include <stdlib.h>

#include "core/cpu.h"
#include "core/permute.h"

static uint32_t rng = 12345;
static uint32_t next(void) {
    rng = rng * 1664525u + 1013904223u;
    return rng >> 8;
}

/* One element at a time, in the order of dst. */
static void plain_copy(size_t width, int rank, const int64_t *dims, const int64_t *src_step,
                       const int64_t *dst_step, const char *src, char *dst) {
    if (rank == 0) {
        memcpy(dst, src, width);
        return;
    }
    for (int64_t i = 0; i < dims[0]; i++)
        plain_copy(width, rank - 1, dims + 1, src_step + 1, dst_step + 1, src + i * src_step[0],
                   dst + i * dst_step[0]);
}

static void check_move(size_t width, int rank, const int64_t *dims, const int64_t *src_step,
                       const int64_t *dst_step, const char *src, size_t dst_bytes) {
    /* On a line of the cache, as the executor's tensors are. */
    char *y = aligned_alloc(64, (dst_bytes + 64) / 64 * 64),
         *z = aligned_alloc(64, (dst_bytes + 64) / 64 * 64);
    memset(y, 0x55, dst_bytes + 1);
    memset(z, 0x55, dst_bytes + 1);
    plain_copy(width, rank, dims, src_step, dst_step, src, y);
    tap_move m;
    tap_move_plan(&m, width, rank, dims, src_step, dst_step);
    /* Ranges in any order and of any size give the same. */
    int64_t cut = m.n_units ? (int64_t)(next() % (uint32_t)m.n_units) : 0;
    tap_move_run(&m, src, z, cut, m.n_units);
    tap_move_run(&m, src, z, 0, cut);
    CHECK(memcmp(y, z, dst_bytes + 1) == 0);
    free(y);
    free(z);
}

static char *noise(size_t n) {
    char *p = malloc(n + 1);
    for (size_t i = 0; i < n; i++) p[i] = (char)next();
    return p;
}

static void permutations_of_all_widths(void) {
    for (size_t width = 1; width <= 16; width *= 2) {
        for (int trial = 0; trial < 300; trial++) {
            int rank = (int)(next() % 6), perm[6];
            int64_t dims[6], count = 1, step[6], y_dims[6], src_step[6], dst_step[6];
            for (int i = 0; i < rank; i++) {
                static const int64_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 16, 17, 33, 67, 130};
                dims[i] = count > 3000 ? 1 + next() % 3 : sizes[next() % TAP_COUNT_OF(sizes)];
                count *= dims[i];
                perm[i] = i;
            }
            for (int i = rank - 1; i > 0; i--) {
                int j = (int)(next() % (uint32_t)(i + 1)), t = perm[i];
                perm[i] = perm[j];
                perm[j] = t;
            }
            size_t n_bytes = (size_t)count * width;
            char *x = noise(n_bytes), *y = malloc(n_bytes + 1), *z = malloc(n_bytes + 1);
            tap_dense_steps(width, rank, dims, step);
            for (int i = 0; i < rank; i++) {
                y_dims[i] = dims[perm[i]];
                src_step[i] = step[perm[i]];
            }
            tap_dense_steps(width, rank, y_dims, dst_step);
            plain_copy(width, rank, y_dims, src_step, dst_step, x, y);
            tap_copy_permuted(width, rank, dims, perm, x, z);
            CHECK(memcmp(y, z, n_bytes) == 0);
            check_move(width, rank, y_dims, src_step, dst_step, x, n_bytes);
            free(x);
            free(y);
            free(z);
        }
    }
}

/* Views as Slice, Expand and Tile make them: negative, zero and skipping steps. */
static void steps_of_all_kinds(void) {
    for (size_t width = 1; width <= 16; width *= 2) {
        for (int trial = 0; trial < 300; trial++) {
            int rank = 1 + (int)(next() % 4);
            int64_t dims[4], x_dims[4], x_step[4], src_step[4], dst_step[4], start = 0, count = 1,
                                                                             x_count = 1;
            int skip[4];
            for (int i = 0; i < rank; i++) {
                skip[i] = (int)(next() % 5) - 2;
                dims[i] = 1 + next() % (i == rank - 1 ? 150 : 9);
                x_dims[i] = 1 + (dims[i] - 1) * abs(skip[i]) + next() % 2;
                count *= dims[i];
                x_count *= x_dims[i];
            }
            tap_dense_steps(width, rank, x_dims, x_step);
            tap_dense_steps(width, rank, dims, dst_step);
            for (int i = 0; i < rank; i++) {
                src_step[i] = x_step[i] * skip[i];
                if (skip[i] < 0) start -= src_step[i] * (dims[i] - 1);
            }
            char *x = noise((size_t)x_count * width);
            check_move(width, rank, dims, src_step, dst_step, x + start, (size_t)count * width);
            free(x);
        }
    }
}

/* Large, with rows a power of two apart: through tiles of their own, past the cache. */
static void crowded_planes(void) {
    for (size_t width = 1; width <= 16; width *= 2) {
        int64_t src_step[2], dst_step[2];
        int64_t y_dims[2] = {2045, 64 + 2048 / (int64_t)width}, x_row = 2048 * (int64_t)width, y_row;
        while (y_dims[0] * y_dims[1] * (int64_t)width < INT64_C(5) << 20) y_dims[1] *= 2;
        y_row = (y_dims[1] * (int64_t)width + 1023) / 1024 * 1024;
        src_step[0] = (int64_t)width, src_step[1] = x_row;
        dst_step[0] = y_row, dst_step[1] = (int64_t)width;
        tap_move m;
        tap_move_plan(&m, width, 2, y_dims, src_step, dst_step);
        CHECK(m.apart && m.stream);
        char *x = noise((size_t)(x_row * y_dims[1]));
        check_move(width, 2, y_dims, src_step, dst_step, x, (size_t)(y_row * y_dims[0]));
        free(x);
    }
}

/* As large, with rows that start anywhere in a line, and with planes of several short dimensions. */
static void long_planes(void) {
    static const int64_t shapes[][4] = {
        {1, 1, 1031, 1123}, {3, 5, 331, 259}, {7, 600, 2, 500}, {4, 16, 3, 9000}};
    static const int perms[][4] = {{0, 1, 3, 2}, {3, 2, 1, 0}, {0, 3, 1, 2},
                                   {0, 2, 3, 1}, {2, 3, 0, 1}, {3, 0, 2, 1}};
    for (size_t width = 1; width <= 16; width *= 2)
        for (size_t i = 0; i < TAP_COUNT_OF(shapes); i++)
            for (size_t k = 0; k < TAP_COUNT_OF(perms); k++) {
                int64_t step[4], y_dims[4], src_step[4], dst_step[4], count = 1;
                for (int d = 0; d < 4; d++) count *= shapes[i][d];
                char *x = noise((size_t)count * width);
                tap_dense_steps(width, 4, shapes[i], step);
                for (int d = 0; d < 4; d++) {
                    y_dims[d] = shapes[i][perms[k][d]];
                    src_step[d] = step[perms[k][d]];
                }
                tap_dense_steps(width, 4, y_dims, dst_step);
                check_move(width, 4, y_dims, src_step, dst_step, x, (size_t)count * width);
                free(x);
            }
}

/* Short rows, one behind the other: reversed, repeated, with gaps, of one word or of several. */
static void patterns(void) {
    int found = 0;
    for (size_t width = 1; width <= 8; width *= 2)
        for (int trial = 0; trial < 100; trial++) {
            int64_t dims[4] = {1 + next() % 3, 0, 1 + next() % 4, 1 + next() % 7};
            int64_t skip = (int64_t)(next() % 7) - 3, inner = (int64_t)(next() % 3) - 1,
                    word = (int64_t)width;
            dims[1] = 40000 / (dims[2] * dims[3] * word) + 33 + next() % 100;
            int64_t row = 1 + next() % 6, n = dims[1] * 4 * 12 * word + 4 * 7 * 2 * word + 64;
            int64_t src_step[4] = {8 * word, (next() % 4 ? row : -row) * word, skip * word, inner * word},
                    dst_step[4];
            if (next() % 2) dims[0] = dims[2] = 1;
            if (next() % 3 == 0) dims[3] = 1;
            tap_dense_steps(width, 4, dims, dst_step);
            int64_t lo = 0;
            for (int d = 0; d < 4; d++) lo += tap_min64(0, src_step[d] * (dims[d] - 1));
            char *x = noise((size_t)n); /* just what is read, so that a byte too far would be seen */
            int64_t hi = word;
            for (int d = 0; d < 4; d++) hi += tap_max64(0, src_step[d] * (dims[d] - 1));
            CHECK(hi - lo <= n);
            char *exact = malloc((size_t)(hi - lo));
            memcpy(exact, x, (size_t)(hi - lo));
            tap_move m;
            tap_move_plan(&m, width, 4, dims, src_step, dst_step);
            found += m.kind == TAP_MOVE_PATTERN;
            check_move(width, 4, dims, src_step, dst_step, exact - lo,
                       (size_t)(dims[0] * dims[1] * dims[2] * dims[3] * word));
            free(x);
            free(exact);
        }
    if (tap_cpu_isa() >= TAP_ISA_LEVEL_AVX2) CHECK(found > 50);
}

static void nothing_to_do(void) {
    tap_move m;
    tap_permute_plan(&m, 4, 3, (int64_t[]){3, 0, 5}, (int[]){2, 1, 0});
    CHECK_EQ(m.n_units, 0);
    tap_move_run(&m, NULL, NULL, 0, m.n_units);
    int perm[4], back[4];
    tap_perm_to_channels_last(4, perm);
    tap_perm_to_channels_first(4, back);
    for (int i = 0; i < 4; i++) CHECK_EQ(perm[back[i]], i);
    CHECK_EQ(perm[3], 1);
}

static void large_copies_are_cut(void) {
    int64_t dims[3] = {3, 200, 300};
    tap_move m;
    tap_permute_plan(&m, 4, 3, dims, (int[]){0, 2, 1});
    CHECK_EQ(m.kind, TAP_MOVE_PLANES);
    CHECK(m.n_units >= 3);
    tap_permute_plan(&m, 4, 1, (int64_t[]){1 << 20}, (int[]){0});
    CHECK_EQ(m.kind, TAP_MOVE_ROWS);
    CHECK(m.n_units > 8);
    /* Pairs of floats that stay together are one word. */
    tap_permute_plan(&m, 4, 3, (int64_t[]){8, 8, 2}, (int[]){1, 0, 2});
    CHECK_EQ(m.width, 8);
    CHECK_EQ(m.kind, TAP_MOVE_PLANES);
}

int main(void) {
    static const test_case tests[] = {TEST(permutations_of_all_widths),
                                      TEST(steps_of_all_kinds),
                                      TEST(crowded_planes),
                                      TEST(long_planes),
                                      TEST(patterns),
                                      TEST(nothing_to_do),
                                      TEST(large_copies_are_cut)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
