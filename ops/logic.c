/* And, Or, Xor, Not; BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot; BitShift. */
#include "common/axis_broadcast.h"
#include "common/elementwise.h"

/* A bool is true where its byte is not 0. */
TAP_LOOP2(and_BOOL, uint8_t, uint8_t, (a != 0) & (b != 0))
TAP_LOOP2(or_BOOL, uint8_t, uint8_t, (a | b) != 0)
TAP_LOOP2(xor_BOOL, uint8_t, uint8_t, (a != 0) ^ (b != 0))
TAP_LOOP1(not_BOOL, uint8_t, uint8_t, x == 0)

static tap_loop *const and[TAP_DTYPE_COUNT] = {[TAP_BOOL] = and_BOOL};
static tap_loop *const or [TAP_DTYPE_COUNT] = {[TAP_BOOL] = or_BOOL};
static tap_loop *const xor [TAP_DTYPE_COUNT] = {[TAP_BOOL] = xor_BOOL};
static tap_loop *const not [TAP_DTYPE_COUNT] = {[TAP_BOOL] = not_BOOL};

#define BITS1(NAME, T, EXPR) TAP_LOOP1(NAME, T, T, EXPR)
#define BITS2(NAME, T, EXPR) TAP_LOOP2(NAME, T, T, EXPR)
TAP_FOR_UNSIGNED(BITS2, bits_and, a &b)
TAP_FOR_UNSIGNED(BITS2, bits_or, a | b)
TAP_FOR_UNSIGNED(BITS2, bits_xor, a ^ b)
TAP_FOR_UNSIGNED(BITS1, bits_not, ~x)

static tap_loop *const bits_and[TAP_DTYPE_COUNT] = {TAP_ROW_INTS_WRAPPING(bits_and)};
static tap_loop *const bits_or[TAP_DTYPE_COUNT] = {TAP_ROW_INTS_WRAPPING(bits_or)};
static tap_loop *const bits_xor[TAP_DTYPE_COUNT] = {TAP_ROW_INTS_WRAPPING(bits_xor)};
static tap_loop *const bits_not[TAP_DTYPE_COUNT] = {TAP_ROW_INTS_WRAPPING(bits_not)};

/* ---- BitShift: any amount is allowed; what is shifted in is 0, or the sign of a signed number going right
 * ---- */

typedef struct direction {
    bool left;
} direction;

#define WIDTH (8 * sizeof a)
/* Where a fits into 32 bits, so does what the shift leaves. */
#define SHIFTED                      (sizeof a == 8 ? (unsigned long long)a << b : (uint32_t)a << (b & 31))
#define LEFT                         (b < WIDTH ? SHIFTED : 0)
#define RIGHT                        (b < WIDTH ? a >> b : 0)
#define SIGNED_LEFT                  (b >= 0 && (size_t)b < WIDTH ? SHIFTED : 0)
#define SIGNED_RIGHT                 (a >> (b >= 0 && (size_t)b < WIDTH ? b : (int)WIDTH - 1))
#define UNSIGNED_SHIFT(NAME, T, ...) TAP_LOOP2_WITH(NAME, direction, T, T, T, s.left ? (T)LEFT : (T)RIGHT)
#define SIGNED_SHIFT(NAME, T, ...) \
    TAP_LOOP2_WITH(NAME, direction, T, T, T, s.left ? (T)SIGNED_LEFT : (T)SIGNED_RIGHT)
TAP_FOR_UNSIGNED(UNSIGNED_SHIFT, shift, )
TAP_FOR_SIGNED(SIGNED_SHIFT, shift, )

static tap_loop *const shift[TAP_DTYPE_COUNT] = {TAP_ROW_INTS(shift)};

static tap_status shift_prepare(tap_ctx *ctx, void **state) {
    static const char *const directions[] = {"RIGHT", "LEFT", NULL};
    direction *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    if (!tap_attr_has(ctx, "direction")) return tap_fail(ctx, TAP_MODEL, "attribute direction is missing");
    s->left = tap_attr_choice(ctx, "direction", "RIGHT", directions) == 1;
    *state = s;
    return TAP_OK;
}

static const tap_op ops[] = {
    {TAP_ROW_AXIS_BROADCAST("And", 6, and)},
    {TAP_ROW_AXIS_BROADCAST("Or", 6, or)},
    {TAP_ROW_AXIS_BROADCAST("Xor", 6, xor)},
    {TAP_ROW_ELEMENTWISE("And", 7, 0, 2, and)},
    {TAP_ROW_ELEMENTWISE("Or", 7, 0, 2, or)},
    {TAP_ROW_ELEMENTWISE("Xor", 7, 0, 2, xor)},
    {TAP_ROW_ELEMENTWISE("Not", 1, 0, 1, not )},
    {TAP_ROW_ELEMENTWISE("BitShift", 11, 0, 2, shift), .prepare = shift_prepare,
     .notes = "Any amount is allowed: bits that come from outside are 0, or the sign of a signed number that "
              "goes right."},
    {TAP_ROW_ELEMENTWISE("BitwiseAnd", 18, 0, 2, bits_and)},
    {TAP_ROW_ELEMENTWISE("BitwiseOr", 18, 0, 2, bits_or)},
    {TAP_ROW_ELEMENTWISE("BitwiseXor", 18, 0, 2, bits_xor)},
    {TAP_ROW_ELEMENTWISE("BitwiseNot", 18, 0, 1, bits_not)},
    {0},
};

TAP_DEFINE_FAMILY(logic, ops);
