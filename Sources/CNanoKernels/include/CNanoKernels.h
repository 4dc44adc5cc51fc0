// The numeric kernels of nano-kimi: one table of functions per instruction set, chosen once at
// run time. Every kernel is single-threaded, keeps no state between calls, and does its arithmetic
// in one fixed order, so that a result never depends on the number of threads around it.
//
// Matrices are float32; where a format is told, `void *` are numbers of that format. Counts are elements, strides are
// elements, never bytes.

#ifndef CNANOKERNELS_H
#define CNANOKERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// MARK: Instruction sets

typedef enum {
  NK_PORTABLE = 0,  ///< Plain C vectors: SSE2 on x86-64, NEON on arm64.
  NK_AVX2 = 1,      ///< AVX2 with FMA.
  NK_AVX512 = 2,    ///< AVX-512 F, BW, DQ and VL.
} nk_instruction_set;

/// The widest instruction set that this machine and its operating system support.
nk_instruction_set nk_best_instruction_set(void);

/// Whether AMX bfloat16 tiles exist here and the operating system granted them to the process.
bool nk_has_amx(void);

/// Whether vectors of bfloat16 pairs (AVX512_BF16) are multiplied here, and faster than floats.
bool nk_has_fast_pairs(void);

/// How numbers lie in memory, or what float32 numbers are rounded to: arithmetic is float32 in every case.
typedef enum {
  NK_FP32 = 0,
  NK_BF16 = 1,
  NK_FP16 = 2,
} nk_format;

// MARK: Matrix product

/// Which tiles a product may skip because their result or their operand is known to be triangular.
typedef enum {
  NK_FULL = 0,
  NK_RESULT_LOWER = 1,  ///< Tiles of C strictly above the diagonal are not computed.
  NK_RESULT_UPPER = 2,  ///< Tiles of C strictly below the diagonal are not computed.
  NK_A_LOWER = 3,       ///< A is lower triangular: row i reads only k <= i.
  NK_A_UPPER = 4,       ///< A is upper triangular: row i reads only k >= i.
} nk_triangle;

/// A matrix that a product reads, either way round.
typedef struct {
  const void *start;
  nk_format format;    ///< of its numbers
  bool is_packed;      ///< whether `start` is what an `nk_packing` wrote; nothing else is then looked at
  bool is_transposed;  ///< whether columns lie in one piece, one `stride` numbers behind the other, and not rows
  ptrdiff_t stride;
} nk_operand;

/// Numbers from one row of an operand to the next.
static inline ptrdiff_t nk_row_stride(const nk_operand *x) { return x->is_transposed ? 1 : x->stride; }

/// Numbers from one column of an operand to the next.
static inline ptrdiff_t nk_column_stride(const nk_operand *x) { return x->is_transposed ? x->stride : 1; }

/// The rows of a matrix that a product writes.
typedef struct {
  void *start;
  nk_format format;
  ptrdiff_t stride;  ///< numbers from one row to the next
} nk_result;

/// Rows of floats that a product adds; the stride is 0 for one row (a bias) that is added to all.
typedef struct {
  const float *start;  ///< null for none
  ptrdiff_t stride;
  float factor;
} nk_addend;

/// One product `C = alpha * A * B + factor * addend`, A: rows x depth, B: depth x columns.
///
/// Operands and result are float32 or of the format that the product rounds to. Only B may be packed: the result has the
/// same bits. The addend may be C itself, if that is float32.
typedef struct {
  size_t rows, columns, depth;
  nk_operand a, b;
  nk_result c;
  nk_addend addend;
  float alpha;
  nk_triangle triangle;
} nk_gemm;

/// How a product packs B before it reads it: what several products with one B can share.
typedef struct {
  size_t (*bytes)(size_t depth, size_t columns);
  /// Writes a B to 64-byte-aligned memory.
  void (*pack)(const nk_operand *b, size_t depth, size_t columns, void *out);
} nk_packing;

// MARK: Decoding

/// How the weights of a row product lie in memory.
typedef enum {
  NK_WEIGHT_FP32 = 0,
  NK_WEIGHT_BF16 = 1,
  NK_WEIGHT_INT8 = 2,  ///< From -127 to 127, times one scale a row.
} nk_weight_format;

/// `out[r][o] = (sum over k of x[r][k] * w[o][k]) + bias[o]`, of few rows: weights are read as they lie, once.
///
/// The bits of a result depend on its row and its weights alone, not on what is computed beside it.
typedef struct {
  const void *weights;  ///< outputs x depth
  nk_weight_format format;
  ptrdiff_t weight_stride;
  const float *scales;  ///< of int8, one an output
  const float *bias;    ///< null for none
  size_t outputs, depth, count;
  const float *x;
  ptrdiff_t x_stride;
  const int32_t *x_rows;  ///< which `count` rows of x are meant; null for the first ones
  float *out;
  ptrdiff_t out_stride;
  const int32_t *out_rows;  ///< where the results' rows go; null for the first ones
  bool adds;                ///< whether results are added to what is there
} nk_row_product;

/// Positions of a tile of cached keys or values, whose numbers of one channel lie side by side.
enum { NK_TILE_POSITIONS = 16 };

// MARK: Causal attention

/// Geometry of causal self-attention over one sequence and one head.
///
/// Query and key rows are `width` numbers of a format, value and output rows `value_width`; the strides are from one
/// row to the next. The probabilities are `length` rows of `nk_attention_row_stride(length)` floats, zero
/// above the diagonal and in the padding. Gradients have the strides and the format of what they are gradients of.
typedef struct {
  size_t length, width, value_width;
  ptrdiff_t query_stride, key_stride, value_stride, output_stride;
  float scale;
  void (*gemm)(const nk_gemm *p);  ///< of long sequences' products, that of the wanted precision
  nk_format rounding;              ///< of short sequences' products, what they read
  nk_format format;                ///< float32, or what the products read
} nk_attention;

/// Floats from one row of attention probabilities to the next: length rounded up to a multiple of 16.
static inline size_t nk_attention_row_stride(size_t length) { return (length + 15) & ~(size_t)15; }

// MARK: Optimizer

/// Constants of one AdamW step, the bias corrections of the step already folded in.
typedef struct {
  float beta1, beta2, epsilon;
  float decay;                    ///< 1 - learning rate * weight decay
  float step_size;                ///< learning rate / (1 - beta1^t)
  float inverse_root_correction;  ///< 1 / sqrt(1 - beta2^t)
  float gradient_factor;          ///< multiplies the gradient first (clipping, loss scale)
} nk_adamw;

// MARK: The table

typedef struct {
  const char *name;

  /// float32 operands, float32 accumulation.
  void (*gemm)(const nk_gemm *p);
  /// Operands rounded to bfloat16, float32 accumulation. By AMX tiles or vectors of pairs where there are any.
  void (*gemm_bf16)(const nk_gemm *p);
  /// Operands rounded to IEEE half precision (infinite from 65520 on), float32 accumulation.
  void (*gemm_fp16)(const nk_gemm *p);
  /// Operands split into two bfloat16 halves, three products. Falls back to `gemm` without AMX.
  void (*gemm_split)(const nk_gemm *p);
  /// Of `gemm`.
  nk_packing packing;
  /// Of `gemm_bf16`; null functions without AMX or vectors of pairs.
  nk_packing packing_bf16;

  /// out = W x for a row-major matrix W of rows x columns.
  void (*matrix_vector)(const float *w, const float *x, float *out, size_t rows, size_t columns);

  void (*row_product)(const nk_row_product *p);
  /// Of one query with the cached keys of `positions` positions, whose tiles are `tile_stride` floats apart; writes whole
  /// tiles.
  void (*position_scores)(const float *query, const float *tiles, size_t tile_stride, size_t channels,
                          size_t positions, float scale, float *out);
  /// out[c] = the sum over positions of probabilities times the cached values of channel c. Reads whole tiles, in which
  /// probabilities behind the last position are zero and values finite.
  void (*position_mix)(const float *probabilities, const float *tiles, size_t tile_stride, size_t channels,
                       size_t positions, float *out);

  // Elementwise over n floats. Outputs may alias inputs.
  void (*add)(const float *x, const float *y, float *out, size_t n);
  void (*subtract)(const float *x, const float *y, float *out, size_t n);
  void (*multiply)(const float *x, const float *y, float *out, size_t n);
  void (*scale)(const float *x, float factor, float *out, size_t n);
  void (*add_scaled)(const float *x, float factor, float *out, size_t n);  ///< out += factor * x
  /// out = a * x + b * y
  void (*combine)(float a, const float *x, float b, const float *y, float *out, size_t n);
  void (*silu)(const float *x, float *out, size_t n);
  void (*silu_backward)(const float *x, const float *dy, float *dx, size_t n);
  void (*sigmoid)(const float *x, float *out, size_t n);
  /// out = cap * tanh(x / cap)
  void (*soft_cap)(const float *x, float cap, float *out, size_t n);
  void (*soft_cap_backward)(const float *y, const float *dy, float cap, float *dx, size_t n);

  // The same over n numbers of a format.
  void (*relu)(const void *x, void *out, size_t n, nk_format format);
  void (*relu_backward)(const void *y, const void *dy, void *dx, size_t n, nk_format format);
  /// The Gaussian error linear unit x * Phi(x), in its exact (erf) form.
  void (*gelu)(const void *x, void *out, size_t n, nk_format format);
  /// `out`, if not null, is what the forward kernel gave, made again on the way.
  void (*gelu_backward)(const void *x, const void *dy, void *dx, void *out, size_t n, nk_format format);
  /// The same in its tanh form, as GPT-2 has it.
  void (*gelu_tanh)(const void *x, void *out, size_t n, nk_format format);
  void (*gelu_tanh_backward)(const void *x, const void *dy, void *dx, void *out, size_t n, nk_format format);

  // Sixteen bits a number, rounded to nearest even.
  void (*to_bf16)(const float *x, uint16_t *out, size_t n);
  void (*from_bf16)(const uint16_t *x, float *out, size_t n);
  void (*to_fp16)(const float *x, uint16_t *out, size_t n);
  void (*from_fp16)(const uint16_t *x, float *out, size_t n);

  // Reductions: lane sums in float32 over blocks of at most 4,096 elements, blocks in double.
  double (*sum)(const float *x, size_t n);
  double (*sum_of_squares)(const float *x, size_t n);
  double (*dot)(const float *x, const float *y, size_t n);
  /// out[j] += sum over rows of x[i, j]
  void (*add_row_sums)(const void *x, float *out, size_t rows, size_t columns, nk_format format);

  /// out[rows[r]] += x[r], row by row of `width` floats; a row may come more than once.
  void (*add_to_rows)(const float *x, const int32_t *rows, float *out, size_t count, size_t width);

  // SwiGLU on rows of 2 * width numbers of a format: out = silu(first half) * second half.
  void (*swiglu)(const void *x, void *out, size_t rows, size_t width, nk_format format);
  /// `out`, if not null, is what the forward kernel gave, made again on the way.
  void (*swiglu_backward)(const void *x, const void *dy, void *dx, void *out, size_t rows, size_t width,
                          nk_format format);
  /// The same times a gate a row: an expert's weighted activations.
  void (*gated_swiglu)(const void *x, const float *gates, void *out, size_t rows, size_t width, nk_format format);
  /// Adds into gate_gradient (rows floats); `out` is what the forward kernel gave, made again on the way.
  void (*gated_swiglu_backward)(const void *x, const float *gates, const void *dy, void *dx, float *gate_gradient,
                                void *out, size_t rows, size_t width, nk_format format);

  // Row softmax, and the sum of row losses against integer targets (in double).
  void (*softmax)(const float *x, float *out, size_t rows, size_t columns);
  void (*softmax_backward)(const float *y, const float *dy, float *dx, size_t rows, size_t columns);
  /// Returns the summed negative log likelihood; gradient (numbers of the format; may be null, or `logits` if they are
  /// float32) = softmax - onehot. A row with a negative target counts nothing and gets a zero gradient.
  double (*cross_entropy)(const float *logits, const int32_t *targets, void *gradient, size_t rows, size_t columns,
                          nk_format format);

  // Layer normalization over rows; statistics holds mean and 1/sqrt(var + eps) per row.
  /// The format is that of out.
  void (*layer_norm)(const float *x, const float *gain, const float *bias, void *out, float *statistics, size_t rows,
                     size_t width, float epsilon, nk_format format);
  /// Adds into gain_gradient and bias_gradient (width floats each). `format` is that of x.
  void (*layer_norm_backward)(const void *x, const float *gain, const float *statistics, const void *dy, float *dx,
                              float *gain_gradient, float *bias_gradient, size_t rows, size_t width, nk_format format,
                              nk_format dy_format);

  // Root-mean-square normalization over rows; reciprocals holds 1/sqrt(mean square + eps) per row.
  /// The format is that of out.
  void (*rms_norm)(const float *x, const float *gain, void *out, float *reciprocals, size_t rows, size_t width,
                   float epsilon, nk_format format);
  /// Adds into gain_gradient (width floats). `format` is that of x.
  void (*rms_norm_backward)(const void *x, const float *gain, const float *reciprocals, const void *dy, float *dx,
                            float *gain_gradient, size_t rows, size_t width, nk_format format, nk_format dy_format);

  /// probabilities = softmax(scale * Q K^T), causal. Returns the largest unmasked logit.
  float (*attention_probabilities)(const nk_attention *g, const void *query, const void *key, float *probabilities);
  /// output = probabilities * V
  void (*attention_mix)(const nk_attention *g, const float *probabilities, const void *value, void *output);
  /// `mixed` is what `attention_mix` was given: the probabilities, or with dropout their product with the mask.
  void (*attention_backward)(const nk_attention *g, const void *query, const void *key, const void *value,
                             const float *probabilities, const float *mixed, const void *output_gradient,
                             void *query_gradient, void *key_gradient, void *value_gradient);
  /// Rotates pairs: out[i], out[j] = cos x[i] -+ sin x[j], with i, j = 2p, 2p + 1 (interleaved) or
  /// p, p + pairs (halves). `out` may be `x`.
  void (*rotate)(const void *x, const float *cosines, const float *sines, void *out, size_t pairs, bool interleaved,
                 bool inverse, nk_format format);

  void (*adamw)(const nk_adamw *c, float *parameter, const float *gradient, float *mean,
                float *square, size_t n);
  /// Copies the strictly upper triangle of an n x n row-major matrix onto the lower one.
  void (*mirror_upper)(float *x, size_t n);
  /// out (columns x rows) = the transpose of x (rows x columns); the two do not overlap.
  void (*transpose)(const float *x, size_t rows, size_t columns, float *out);
} nk_kernels;

/// The table for an instruction set, or null when this machine or this build lacks it.
const nk_kernels *nk_kernels_for(nk_instruction_set set);

/// The instruction that multiplies vectors of pairs, VDPBF16PS, on sixteen sums and as many dwords of x and y; only to be
/// called where `nk_has_pairs` is true.
void nk_pair_dot(float *sums, const uint32_t *x, const uint32_t *y);
/// Whether the processor has it, fast or not.
bool nk_has_pairs(void);

// MARK: Threads

typedef struct nk_worker_pool nk_worker_pool;

/// Starts `workers` threads beside the calling one. Null when a thread cannot be started.
nk_worker_pool *nk_worker_pool_create(size_t workers);
/// Runs body(context, i) for every i below count, on the caller and on workers that are free.
/// Returns when all have ended. One run at a time; calls do not nest.
void nk_worker_pool_run(nk_worker_pool *pool, size_t count, void (*body)(void *context, size_t index),
                        void *context);
/// Ends the threads.
void nk_worker_pool_destroy(nk_worker_pool *pool);

/// Where a fixed number of threads wait for each other; all zero before the first.
typedef struct {
  uint32_t arrived, generation;
} nk_barrier;

/// Returns when `count` threads have called it: what each wrote before is there for all.
void nk_barrier_wait(nk_barrier *barrier, uint32_t count);

// MARK: Memory

/// What is called, and does not return, when the system refuses memory that a kernel works in. Without one the process
/// traps.
void nk_set_refusal_handler(void (*handler)(size_t bytes));

/// The number of the calling thread: threads count from 0 in the order in which they first ask.
size_t nk_thread_number(void);

// MARK: Throughput probes

/// Runs a dependent-free loop of fused multiply-adds and returns the floating-point operations done.
/// The result of the arithmetic goes to *sink so that the loop cannot be removed.
double nk_probe_arithmetic(nk_instruction_set set, size_t iterations, float *sink);
/// The same for bfloat16 products, of AMX tiles or of vectors of pairs; 0 without either.
double nk_probe_bf16(size_t iterations, float *sink);

#ifdef __cplusplus
}
#endif
#endif
