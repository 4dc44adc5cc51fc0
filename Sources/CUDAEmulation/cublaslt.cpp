// cuBLASLt's functions for matrix products, column-major: D = α · op(A) · op(B) + β · C (+ bias), sums in float32.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <vector>

#include "cuda_emulation.h"
#include "device_memory.h"
#include "driver.h"
#include "stream.h"

namespace emulation {

enum ProductStatus {
  product_success = 0,
  product_invalid_value = 7,
  product_not_supported = 15,
};

enum NumberType { float32 = 0, bfloat16 = 14 };
enum ComputeType { compute_float32 = 68, compute_fast_tf32 = 77 };
enum Epilogue { epilogue_none = 1, epilogue_bias = 4, epilogue_bias_gradient_b = 512 };

static size_t size_of(int type) { return type == float32 ? 4 : 2; }

struct MatmulDescription {
  int compute_type, scale_type;
  int transpose_a = 0, transpose_b = 0;
  int epilogue = epilogue_none;
  uint64_t bias = 0;
  // -1 for the result's.
  int bias_type = -1;
};

struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t leading;
  int batch_count = 1;
  int64_t batch_offset = 0;

  // Bytes from the first number to behind the last.
  size_t extent() const {
    if (rows == 0 || columns == 0) return 0;
    return ((size_t)(batch_count - 1) * (size_t)batch_offset + (columns - 1) * (size_t)leading + rows) * size_of(type);
  }
};

struct Preference {
  uint64_t most_workspace_bytes = 0;
  // Of A, B, C and D.
  uint32_t alignments[4] = {256, 256, 256, 256};
};

// What is kept in the 64 bytes that callers hand around.
struct Algorithm {
  uint64_t signature, workspace_bytes;
  uint32_t alignments[4];
  uint64_t unused[4];
};
static_assert(sizeof(Algorithm) == 64);

static constexpr uint64_t algorithm_signature = 0x6d6c6174656c7573;

// cublasLtMatmulHeuristicResult_t.
struct HeuristicResult {
  Algorithm algorithm;
  size_t workspace_bytes;
  int status;
  float waves;
  int reserved[4];
};
static_assert(sizeof(HeuristicResult) == 96);

// MARK: Checks

static bool is_number_type(int type) { return type == float32 || type == bfloat16; }

// Which products there are.
static int check_product(
    const MatmulDescription &matmul, const Layout &a, const Layout &b, const Layout &c, const Layout &d) {
  const uint64_t rows = matmul.transpose_a ? a.columns : a.rows, depth = matmul.transpose_a ? a.rows : a.columns;
  const uint64_t depth_b = matmul.transpose_b ? b.columns : b.rows, columns = matmul.transpose_b ? b.rows : b.columns;
  if (depth != depth_b || rows != d.rows || columns != d.columns || c.rows != d.rows || c.columns != d.columns) {
    return product_invalid_value;
  }
  for (const Layout *layout : {&a, &b, &c, &d}) {
    if (layout->leading < (int64_t)layout->rows || layout->batch_count != d.batch_count) return product_invalid_value;
  }
  if (matmul.scale_type != float32 || a.type != b.type || c.type != d.type) return product_not_supported;
  if (a.type == float32 && d.type != float32) return product_not_supported;
  if (matmul.compute_type == compute_fast_tf32 && a.type != float32) return product_not_supported;
  if (matmul.epilogue != epilogue_none && matmul.epilogue != epilogue_bias &&
      matmul.epilogue != epilogue_bias_gradient_b) {
    return product_not_supported;
  }
  if (matmul.epilogue == epilogue_bias_gradient_b && d.batch_count > 1) return product_not_supported;
  if (matmul.epilogue == epilogue_bias && matmul.bias_type != -1 && matmul.bias_type != d.type &&
      matmul.bias_type != a.type) {
    return product_not_supported;
  }
  return product_success;
}

static void require_memory(const char *what, uint64_t address, size_t bytes) {
  if (DeviceMemory::shared().contains(address, bytes)) return;
  fprintf(
      stderr, "CUDA emulation: cublasLtMatmul: %s, %zu bytes from %#llx on, is not all memory of one block\n", what,
      bytes, (unsigned long long)address);
  abort();
}

// MARK: Arithmetic

static float number(const void *numbers, int type, size_t index) {
  if (type == float32) return ((const float *)numbers)[index];
  return __uint_as_float((unsigned)((const unsigned short *)numbers)[index] << 16);
}

static void set_number(void *numbers, int type, size_t index, float value) {
  if (type == float32) {
    ((float *)numbers)[index] = value;
    return;
  }
  const unsigned bits = __float_as_uint(value);
  const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  ((unsigned short *)numbers)[index] =
      is_nan ? 0x7fff : (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// 10 bits behind the point, halves away from zero.
static float rounded_to_tf32(float x) {
  const unsigned bits = __float_as_uint(x);
  if ((bits & 0x7f800000u) == 0x7f800000u) return x;
  return __uint_as_float((bits + 0x1000u) & 0xffffe000u);
}

// op(X) as float32, column-major; op transposes where `transpose`.
static std::vector<float> operand(const void *numbers, const Layout &layout, bool transpose, bool as_tf32) {
  std::vector<float> result(layout.rows * layout.columns);
  for (size_t column = 0; column < layout.columns; column++) {
    for (size_t row = 0; row < layout.rows; row++) {
      const float value = number(numbers, layout.type, column * (size_t)layout.leading + row);
      const size_t index = transpose ? row * layout.columns + column : column * layout.rows + row;
      result[index] = as_tf32 ? rounded_to_tf32(value) : value;
    }
  }
  return result;
}

struct Product {
  MatmulDescription matmul;
  Layout a, b, c, d;
  float alpha, beta;
  const char *a_address, *b_address, *c_address;
  char *d_address;

  void run() const {
    for (int batch = 0; batch < d.batch_count; batch++) run(batch);
  }

 private:
  void run(int batch) const {
    const auto moved = [&](const char *address, const Layout &layout) {
      return address + batch * layout.batch_offset * (int64_t)size_of(layout.type);
    };
    const bool as_tf32 = matmul.compute_type == compute_fast_tf32;
    const size_t rows = d.rows, depth = matmul.transpose_a ? a.rows : a.columns;
    const std::vector<float> left = operand(moved(a_address, a), a, matmul.transpose_a != 0, as_tf32);
    const std::vector<float> right = operand(moved(b_address, b), b, matmul.transpose_b != 0, as_tf32);
    const char *const addend = moved(c_address, c);
    char *const result = const_cast<char *>(moved(d_address, d));
    std::vector<float> sums(rows);
    for (size_t column = 0; column < d.columns; column++) {
      std::fill(sums.begin(), sums.end(), 0.0f);
      for (size_t k = 0; k < depth; k++) {
        const float factor = right[column * depth + k];
        const float *const numbers = &left[k * rows];
        for (size_t row = 0; row < rows; row++) sums[row] += numbers[row] * factor;
      }
      for (size_t row = 0; row < rows; row++) {
        float value = alpha * sums[row];
        if (beta != 0) value += beta * number(addend, c.type, column * (size_t)c.leading + row);
        if (matmul.epilogue == epilogue_bias) {
          const int type = matmul.bias_type == -1 ? d.type : matmul.bias_type;
          value += number((const void *)matmul.bias, type, row);
        }
        set_number(result, d.type, column * (size_t)d.leading + row, value);
      }
      if (matmul.epilogue == epilogue_bias_gradient_b) {
        float sum = 0;
        for (size_t k = 0; k < depth; k++) sum += right[column * depth + k];
        set_number((void *)matmul.bias, matmul.bias_type == -1 ? d.type : matmul.bias_type, column, sum);
      }
    }
  }
};

// MARK: Attributes

// Copies an attribute's value if it has the right size.
template <typename Value>
static int assign(Value &attribute, const void *value, size_t bytes) {
  if (value == nullptr || bytes != sizeof(Value)) return product_invalid_value;
  memcpy(&attribute, value, sizeof(Value));
  return product_success;
}

template <typename Object, typename... Arguments>
static int create(const char *function, void **object, Arguments... arguments) {
  return plain_call(function, [&]() -> int {
    if (object == nullptr) return product_invalid_value;
    *object = new Object{arguments...};
    return product_success;
  });
}

template <typename Object>
static int destroy(const char *function, void *object) {
  return plain_call(function, [&]() -> int {
    delete static_cast<Object *>(object);
    return product_success;
  });
}

struct ProductLibrary {};

}  // namespace emulation

using namespace emulation;

EXPORTED int cublasLtCreate(void **library) {
  return plain_call(__func__, [&]() -> int {
    const int product_not_initialized = 1;
    if (!has_context()) return product_not_initialized;
    *library = new ProductLibrary;
    return product_success;
  });
}

EXPORTED int cublasLtDestroy(void *library) { return destroy<ProductLibrary>(__func__, library); }

EXPORTED size_t cublasLtGetVersion() { return 130000; }

EXPORTED int cublasLtMatmulDescCreate(void **description, int compute_type, int scale_type) {
  if (compute_type != compute_float32 && compute_type != compute_fast_tf32) return product_not_supported;
  return create<MatmulDescription>(__func__, description, compute_type, scale_type);
}

EXPORTED int cublasLtMatmulDescDestroy(void *description) {
  return destroy<MatmulDescription>(__func__, description);
}

EXPORTED int cublasLtMatmulDescSetAttribute(void *object, int attribute, const void *value, size_t bytes) {
  return plain_call(__func__, [&]() -> int {
    auto &matmul = *static_cast<MatmulDescription *>(object);
    switch (attribute) {
      case 3: return assign(matmul.transpose_a, value, bytes);
      case 4: return assign(matmul.transpose_b, value, bytes);
      case 7: return assign(matmul.epilogue, value, bytes);
      case 8: return assign(matmul.bias, value, bytes);
      case 26: return assign(matmul.bias_type, value, bytes);
      default: return product_not_supported;
    }
  });
}

EXPORTED int cublasLtMatrixLayoutCreate(
    void **layout, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  if (!is_number_type(type)) return product_not_supported;
  return create<Layout>(__func__, layout, type, rows, columns, leading);
}

EXPORTED int cublasLtMatrixLayoutDestroy(void *layout) { return destroy<Layout>(__func__, layout); }

EXPORTED int cublasLtMatrixLayoutSetAttribute(void *object, int attribute, const void *value, size_t bytes) {
  return plain_call(__func__, [&]() -> int {
    auto &layout = *static_cast<Layout *>(object);
    switch (attribute) {
      case 5: return assign(layout.batch_count, value, bytes);
      case 6: return assign(layout.batch_offset, value, bytes);
      default: return product_not_supported;
    }
  });
}

EXPORTED int cublasLtMatmulPreferenceCreate(void **preference) {
  return create<Preference>(__func__, preference);
}

EXPORTED int cublasLtMatmulPreferenceDestroy(void *preference) {
  return destroy<Preference>(__func__, preference);
}

EXPORTED int cublasLtMatmulPreferenceSetAttribute(void *object, int attribute, const void *value, size_t bytes) {
  return plain_call(__func__, [&]() -> int {
    auto &preference = *static_cast<Preference *>(object);
    if (attribute == 1) return assign(preference.most_workspace_bytes, value, bytes);
    if (attribute >= 5 && attribute <= 8) return assign(preference.alignments[attribute - 5], value, bytes);
    return product_not_supported;
  });
}

EXPORTED int cublasLtMatmulAlgoGetHeuristic(
    void *, void *matmul, void *a, void *b, void *c, void *d, void *preference_handle, int most_results,
    void *results, int *count) {
  return plain_call(__func__, [&]() -> int {
    *count = 0;
    if (most_results < 1) return product_invalid_value;
    const int status = check_product(
        *static_cast<MatmulDescription *>(matmul), *static_cast<Layout *>(a), *static_cast<Layout *>(b),
        *static_cast<Layout *>(c), *static_cast<Layout *>(d));
    if (status != product_success) return status;
    const auto &preference = *static_cast<Preference *>(preference_handle);
    HeuristicResult result = {};
    result.workspace_bytes = std::min<uint64_t>(preference.most_workspace_bytes, 64 << 10);
    result.algorithm.signature = algorithm_signature;
    result.algorithm.workspace_bytes = result.workspace_bytes;
    std::copy(preference.alignments, preference.alignments + 4, result.algorithm.alignments);
    memcpy(results, &result, sizeof result);
    *count = 1;
    return product_success;
  });
}

EXPORTED int cublasLtMatmul(
    void *, void *description, const float *alpha, const void *a, void *layout_a, const void *b, void *layout_b,
    const float *beta, const void *c, void *layout_c, void *d, void *layout_d, const void *algorithm_bytes,
    void *workspace, size_t workspace_bytes, void *stream) {
  return plain_call(__func__, [&]() -> int {
    const Product product = {
        *static_cast<MatmulDescription *>(description),
        *static_cast<Layout *>(layout_a),
        *static_cast<Layout *>(layout_b),
        *static_cast<Layout *>(layout_c),
        *static_cast<Layout *>(layout_d),
        *alpha,
        *beta,
        (const char *)a,
        (const char *)b,
        (const char *)c,
        (char *)d};
    const int status = check_product(product.matmul, product.a, product.b, product.c, product.d);
    if (status != product_success) return status;
    Algorithm algorithm;
    if (algorithm_bytes != nullptr) {
      memcpy(&algorithm, algorithm_bytes, sizeof algorithm);
      if (algorithm.signature != algorithm_signature || workspace_bytes < algorithm.workspace_bytes) {
        return product_invalid_value;
      }
      // The algorithm was chosen for addresses that are such multiples.
      const uint64_t addresses[4] = {(uint64_t)a, (uint64_t)b, (uint64_t)c, (uint64_t)d};
      for (int i = 0; i < 4; i++) {
        if (addresses[i] % algorithm.alignments[i] != 0) return product_invalid_value;
      }
    }
    require_memory("A", (uint64_t)a, product.a.extent());
    require_memory("B", (uint64_t)b, product.b.extent());
    if (*beta != 0) require_memory("C", (uint64_t)c, product.c.extent());
    require_memory("D", (uint64_t)d, product.d.extent());
    if (workspace_bytes > 0) require_memory("the workspace", (uint64_t)workspace, workspace_bytes);
    if (product.matmul.epilogue == epilogue_bias) {
      const int type = product.matmul.bias_type == -1 ? product.d.type : product.matmul.bias_type;
      require_memory("the bias", product.matmul.bias, product.d.rows * size_of(type));
    }
    if (product.matmul.epilogue == epilogue_bias_gradient_b) {
      const int type = product.matmul.bias_type == -1 ? product.d.type : product.matmul.bias_type;
      require_memory("the bias gradient", product.matmul.bias, product.d.columns * size_of(type));
    }
    Stream::of(stream).add([=] {
      // Whoever keeps numbers in the workspace loses them.
      memset(workspace, 0xff, workspace_bytes);
      product.run();
    });
    return product_success;
  });
}
