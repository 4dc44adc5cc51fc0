// Operations on each number by itself. A thread works on four numbers; `count` may be any.
#include "common.cuh"

// Calls `body` with the index of each of the thread's numbers.
template <class Body>
DEVICE void for_each_number(int64 count, Body body) {
  const int64 first = 4 * ((int64)blockIdx.x * blockDim.x + threadIdx.x);
#pragma unroll
  for (int i = 0; i < 4; i++)
    if (first + i < count) body(first + i);
}

// The four numbers of a thread at once where they all exist; else one after another. `body` maps numbers of x and
// y to one of the result.
template <class Body>
DEVICE void combine(const float *x, const float *y, float *result, int64 count, Body body) {
  const int64 first = 4 * ((int64)blockIdx.x * blockDim.x + threadIdx.x);
  if (first + 4 <= count) {
    const float4 a = load4(x, FLOAT32, first), b = load4(y, FLOAT32, first);
    store4(result, FLOAT32, first,
           make_float4(body(a.x, b.x), body(a.y, b.y), body(a.z, b.z), body(a.w, b.w)));
  } else {
    for (int64 i = first; i < count; i++) result[i] = body(x[i], y[i]);
  }
}

// result = value
KERNEL fill_elements(float *result, float value, int64 count) {
  for_each_number(count, [=](int64 i) { result[i] = value; });
}

// result = x + y
KERNEL add_elements(const float *x, const float *y, float *result, int64 count) {
  combine(x, y, result, count, [](float a, float b) { return a + b; });
}

// result = x - y
KERNEL subtract_elements(const float *x, const float *y, float *result, int64 count) {
  combine(x, y, result, count, [](float a, float b) { return a - b; });
}

// result = x * y
KERNEL multiply_elements(const float *x, const float *y, float *result, int64 count) {
  combine(x, y, result, count, [](float a, float b) { return a * b; });
}

// result = factor * x
KERNEL scale_elements(const float *x, float factor, float *result, int64 count) {
  combine(x, x, result, count, [=](float a, float) { return factor * a; });
}

// result = factor * scalar * x, the scalar in the device's memory.
KERNEL scale_by(const float *x, const float *scalar, float factor, float *result, int64 count) {
  const float s = factor * scalar[0];
  combine(x, x, result, count, [=](float a, float) { return s * a; });
}

// result = factor * scalar, everywhere.
KERNEL fill_by(const float *scalar, float factor, float *result, int64 count) {
  const float value = factor * scalar[0];
  for_each_number(count, [=](int64 i) { result[i] = value; });
}

// result = x in another format.
KERNEL convert_elements(const void *x, int x_format, void *result, int result_format, int64 count) {
  const int64 first = 4 * ((int64)blockIdx.x * blockDim.x + threadIdx.x);
  if (first + 4 <= count && ((size_t)x & 15) == 0 && ((size_t)result & 15) == 0) {
    store4(result, result_format, first, load4(x, x_format, first));
  } else {
    for (int64 i = first; i < count && i < first + 4; i++)
      store(result, result_format, i, load(x, x_format, i));
  }
}

// result = rows of x, `stride` apart, one behind the other, in another format.
KERNEL convert_rows(const void *x, int x_format, int64 stride, void *result, int result_format, int width,
                    int64 count) {
  for_each_number(count, [=](int64 i) {
    store(result, result_format, i, load(x, x_format, i / width * stride + i % width));
  });
}

// x to the 10 bits behind the point that TF32 has, halves to even; what is not finite stays.
DEVICE float rounded_to_tf32(float x) {
  const unsigned bits = __float_as_uint(x);
  if ((bits & 0x7f800000u) == 0x7f800000u) return x;
  return __uint_as_float((bits + 0xfffu + ((bits >> 13) & 1u)) & 0xffffe000u);
}

// high = x rounded to TF32, low = x - high, rounded likewise. Rows of x lie `stride` apart, those of both results
// `result_stride`; a row of these has `pitch` numbers, a multiple of 4, and behind x there are zeros. `count` is that of
// either result.
KERNEL split_tf32(const float *x, int64 stride, int rows, int width, float *high, float *low, int64 result_stride,
                  int pitch, int64 count) {
  const int64 first = 4 * ((int64)blockIdx.x * blockDim.x + threadIdx.x);
  if (first >= count) return;
  const unsigned quad = (unsigned)(first >> 2), quads = (unsigned)pitch >> 2;
  const int row = (int)(quad / quads), column = (int)(quad % quads) * 4;
  float v[4];
  if (row < rows && column + 4 <= width && (((size_t)x | (size_t)stride * 4) & 15) == 0) {
    const float4 four = load4(x, FLOAT32, row * stride + column);
    v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
  } else {
#pragma unroll
    for (int i = 0; i < 4; i++) v[i] = row < rows && column + i < width ? x[row * stride + column + i] : 0.0f;
  }
  float h[4], l[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    h[i] = rounded_to_tf32(v[i]);
    l[i] = rounded_to_tf32(v[i] - h[i]);
  }
  const int64 index = row * result_stride + column;
  store4(high, FLOAT32, index, make_float4(h[0], h[1], h[2], h[3]));
  store4(low, FLOAT32, index, make_float4(l[0], l[1], l[2], l[3]));
}

// result[0] = sum of x, in double, by one block.
KERNEL sum_elements(const float *x, float *result, int64 count) {
  SHARED double scratch[32];
  double total = 0;
  for (int64 i = threadIdx.x; i < count; i += blockDim.x) total += x[i];
  total = block_sum_double(total, scratch);
  if (threadIdx.x == 0) result[0] = (float)total;
}
