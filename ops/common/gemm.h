/* Matrix products C[m][n] = A[m][k] * B[k][n], with B packed once or on the way.
 *
 * Each element of C is one sequence of multiply-adds over k in ascending order (gemm_tile.h). Its bits do not
 * depend on threads, on how rows and columns are split, on the rest of the matrix, or on whether B was packed
 * before. */
#ifndef TAP_OPS_COMMON_GEMM_H
#define TAP_OPS_COMMON_GEMM_H

#include "common/gemm_tile.h"

/* Tells that rows row .. row + n_rows of C are final in the columns col .. col + n_cols and in cache. From
 * any worker; every element of C is told of once. In a batch, rows are counted on: row r of product i is i *
 * m + r. */
typedef void tap_gemm_done(void *arg, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols);

typedef struct tap_gemm {
    /* Of A, B, C and bias: FLOAT, DOUBLE, INT32, UINT32, INT64, UINT64 (integers wrap). INT16: elements of A
     * and B are pairs of int16, counted as pairs, C is int32 and B always packed (by tap_quant_pack). */
    tap_dtype dtype;
    int64_t m, n, k;
    const void *a; /* element (i, l) at a[i * lda + l], with trans_a at a[l * lda + i]                 */
    int64_t lda;
    bool trans_a;
    const void *packed; /* B of tap_gemm_pack, or NULL: then b                                              */
    int64_t packed_n;   /* the columns it was packed for, where they are more than n; 0: n                  */
    tap_dtype b_from; /* of b where that is FLOAT16 or BFLOAT16 to be widened; UNDEFINED: as dtype         */
    const void *b;    /* element (l, j) at b[l * ldb + j], with trans_b at b[j * ldb + l]                 */
    int64_t ldb;
    bool trans_b;
    void *c; /* element (i, j) at c[i * ldc + j]                                                 */
    int64_t ldc;
    const void *bias; /* n elements: C = sum + bias, one addition after the sum; NULL: none               */
    const tap_finish *finish; /* stages behind that (its bias is not read); NULL: none */
    bool accumulate;     /* the sums start from what C holds instead of from zero                       */
    tap_gemm_done *done; /* NULL: nobody is told */
    void *arg;
} tap_gemm;

#define tap_gemm_packed_bytes TAP_ISA_NAME(tap_gemm_packed_bytes)
#define tap_gemm_pack         TAP_ISA_NAME(tap_gemm_pack)
#define tap_gemm_run          TAP_ISA_NAME(tap_gemm_run)
#define tap_gemm_batch        TAP_ISA_NAME(tap_gemm_batch)
#define tap_gemm_work_bytes   TAP_ISA_NAME(tap_gemm_work_bytes)
#define tap_gemm_serial       TAP_ISA_NAME(tap_gemm_serial)

/* Bytes of B[k][n] in packed form; false where that overflows. */
bool tap_gemm_packed_bytes(tap_dtype dtype, int64_t k, int64_t n, size_t *n_bytes);

/* Packs B[k][n], read at any alignment, into `packed`. B is of dtype `from`: for FLOAT, FLOAT16 and BFLOAT16
 * too. */
void tap_gemm_pack(tap_dtype dtype, tap_dtype from, int64_t k, int64_t n, const void *b, int64_t ldb,
                   bool trans_b, void *packed);

/* The product, over all workers. From run, with scratch from the context. */
tap_status tap_gemm_run(tap_ctx *ctx, const tap_gemm *g);

/* n_batch products: `g` with a, b and c moved by at[i][0..2] elements; where B is packed, at[i][1] counts
 * bytes. All share the bias. */
tap_status tap_gemm_batch(tap_ctx *ctx, const tap_gemm *g, int64_t n_batch, const int64_t (*at)[3]);

/* The product on the calling thread, for use inside a worker. work: tap_gemm_work_bytes bytes, 64-byte
 * aligned, of this product or of one that is larger in m, n or k but else has B in the same form. */
bool tap_gemm_work_bytes(const tap_gemm *g, size_t *n_bytes);
void tap_gemm_serial(const tap_gemm *g, void *work);

#endif
