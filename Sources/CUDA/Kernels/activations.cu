// Activation functions, of numbers in either format; arithmetic is float32. A thread works on four numbers.
#include "common.cuh"

DEVICE float sigmoid_of(float x) { return 1.0f / (1.0f + expf(-x)); }

// The normal distribution function and density at x, from one exponential. Abramowitz and Stegun, 7.1.26: at most
// 1.5e-7 off.
struct Normal {
  float distribution, density;
};

DEVICE Normal normal_at(float x) {
  const float exponential = __expf(-0.5f * x * x);
  const float t = __fdividef(1.0f, 1.0f + 0.3275911f * 0.70710678f * fabsf(x));
  const float tail =
      0.5f * exponential * t *
      (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  return {x < 0 ? tail : 1.0f - tail, 0.39894228f * exponential};
}

DEVICE float gelu_of(float x) { return x * normal_at(x).distribution; }

// The gradient, and the activation by the way.
DEVICE float gelu_backward_of(float x, float dy, float &y) {
  const Normal normal = normal_at(x);
  y = x * normal.distribution;
  return dy * (normal.distribution + x * normal.density);
}

// GELU in its tanh form, x sigmoid(2u) with u = sqrt(2/pi) (x + 0.044715 x^3).
DEVICE float gelu_tanh_gate(float x) { return sigmoid_of(x * (1.59576912f + 0.07135482f * x * x)); }

DEVICE float gelu_tanh_of(float x) { return x * gelu_tanh_gate(x); }

DEVICE float gelu_tanh_slope(float x) {
  const float gate = gelu_tanh_gate(x);
  return gate + x * (1.59576912f + 0.21406445f * x * x) * gate * (1.0f - gate);
}

// Calls `body` with the index of the thread's four numbers, or of each by itself where fewer are left or the numbers
// are not aligned.
template <class Four, class One>
DEVICE void by_fours(int64 count, bool aligned, Four four, One one) {
  const int64 first = 4 * ((int64)blockIdx.x * blockDim.x + threadIdx.x);
  if (aligned && first + 4 <= count)
    four(first);
  else
    for (int64 i = first; i < count && i < first + 4; i++) one(i);
}

// y = max(x, 0), or x Phi(x)
KERNEL relu(const void *x, void *y, int format, int64 count) {
  by_fours(
      count, true,
      [=](int64 i) {
        const float4 v = load4(x, format, i);
        store4(y, format, i, make_float4(fmaxf(v.x, 0), fmaxf(v.y, 0), fmaxf(v.z, 0), fmaxf(v.w, 0)));
      },
      [=](int64 i) { store(y, format, i, fmaxf(load(x, format, i), 0)); });
}

KERNEL gelu(const void *x, void *y, int format, int64 count) {
  by_fours(
      count, true,
      [=](int64 i) {
        const float4 v = load4(x, format, i);
        store4(y, format, i, make_float4(gelu_of(v.x), gelu_of(v.y), gelu_of(v.z), gelu_of(v.w)));
      },
      [=](int64 i) { store(y, format, i, gelu_of(load(x, format, i))); });
}

KERNEL gelu_tanh(const void *x, void *y, int format, int64 count) {
  by_fours(
      count, true,
      [=](int64 i) {
        const float4 v = load4(x, format, i);
        store4(y, format, i,
               make_float4(gelu_tanh_of(v.x), gelu_tanh_of(v.y), gelu_tanh_of(v.z), gelu_tanh_of(v.w)));
      },
      [=](int64 i) { store(y, format, i, gelu_tanh_of(load(x, format, i))); });
}

// dx = dy where y > 0; `y` may be what went in or what came out.
KERNEL relu_backward(const void *y, const void *dy, void *dx, int format, int64 count) {
  by_fours(
      count, true,
      [=](int64 i) {
        const float4 v = load4(y, format, i), d = load4(dy, format, i);
        store4(dx, format, i,
               make_float4(v.x > 0 ? d.x : 0, v.y > 0 ? d.y : 0, v.z > 0 ? d.z : 0, v.w > 0 ? d.w : 0));
      },
      [=](int64 i) { store(dx, format, i, load(y, format, i) > 0 ? load(dy, format, i) : 0.0f); });
}

// dx = dy gelu'(x), and y = gelu(x) again if it is wanted.
KERNEL gelu_backward(const void *x, const void *dy, void *dx, void *y, int format, int64 count) {
  by_fours(
      count, true,
      [=](int64 i) {
        const float4 v = load4(x, format, i), d = load4(dy, format, i);
        float4 activation;
        store4(dx, format, i,
               make_float4(gelu_backward_of(v.x, d.x, activation.x), gelu_backward_of(v.y, d.y, activation.y),
                           gelu_backward_of(v.z, d.z, activation.z), gelu_backward_of(v.w, d.w, activation.w)));
        if (y) store4(y, format, i, activation);
      },
      [=](int64 i) {
        float activation;
        store(dx, format, i, gelu_backward_of(load(x, format, i), load(dy, format, i), activation));
        if (y) store(y, format, i, activation);
      });
}

KERNEL gelu_tanh_backward(const void *x, const void *dy, void *dx, void *y, int format, int64 count) {
  by_fours(
      count, true,
      [=](int64 i) {
        const float4 v = load4(x, format, i), d = load4(dy, format, i);
        store4(dx, format, i,
               make_float4(d.x * gelu_tanh_slope(v.x), d.y * gelu_tanh_slope(v.y), d.z * gelu_tanh_slope(v.z),
                           d.w * gelu_tanh_slope(v.w)));
        if (y)
          store4(y, format, i,
                 make_float4(gelu_tanh_of(v.x), gelu_tanh_of(v.y), gelu_tanh_of(v.z), gelu_tanh_of(v.w)));
      },
      [=](int64 i) {
        const float v = load(x, format, i);
        const float d = load(dy, format, i);
        store(dx, format, i, d * gelu_tanh_slope(v));
        if (y) store(y, format, i, gelu_tanh_of(v));
      });
}

// y = x sigmoid(x)
KERNEL silu(const float *x, float *y, int64 count) {
  by_fours(
      count, false, [](int64) {}, [=](int64 i) { y[i] = x[i] * sigmoid_of(x[i]); });
}

// dx = dy (s + x s (1 - s)), s = sigmoid(x)
KERNEL silu_backward(const float *x, const float *dy, float *dx, int64 count) {
  by_fours(
      count, false, [](int64) {},
      [=](int64 i) {
        const float s = sigmoid_of(x[i]);
        dx[i] = dy[i] * (s + x[i] * s * (1 - s));
      });
}

// y = silu(u) v for rows [u | v] of 2 width numbers; `count` is y's.
KERNEL swiglu(const void *x, void *y, int format, int width, int64 count) {
  by_fours(
      count, width % 4 == 0,
      [=](int64 i) {
        const int64 j = i / width * 2 * width + i % width;
        const float4 u = load4(x, format, j), v = load4(x, format, j + width);
        store4(y, format, i,
               make_float4(u.x * sigmoid_of(u.x) * v.x, u.y * sigmoid_of(u.y) * v.y, u.z * sigmoid_of(u.z) * v.z,
                           u.w * sigmoid_of(u.w) * v.w));
      },
      [=](int64 i) {
        const int64 j = i / width * 2 * width + i % width;
        const float u = load(x, format, j);
        store(y, format, i, u * sigmoid_of(u) * load(x, format, j + width));
      });
}

// du = dy v silu'(u), dv = dy silu(u), and y again if it is wanted.
KERNEL swiglu_backward(const void *x, const void *dy, void *dx, void *y, int format, int width, int64 count) {
  by_fours(
      count, width % 4 == 0,
      [=](int64 i) {
        const int64 j = i / width * 2 * width + i % width;
        const float4 u = load4(x, format, j), v = load4(x, format, j + width), d = load4(dy, format, i);
        const float4 s = make_float4(sigmoid_of(u.x), sigmoid_of(u.y), sigmoid_of(u.z), sigmoid_of(u.w));
        store4(dx, format, j,
               make_float4(d.x * v.x * (s.x + u.x * s.x * (1 - s.x)), d.y * v.y * (s.y + u.y * s.y * (1 - s.y)),
                           d.z * v.z * (s.z + u.z * s.z * (1 - s.z)), d.w * v.w * (s.w + u.w * s.w * (1 - s.w))));
        store4(dx, format, j + width,
               make_float4(d.x * u.x * s.x, d.y * u.y * s.y, d.z * u.z * s.z, d.w * u.w * s.w));
        if (y)
          store4(y, format, i,
                 make_float4(u.x * s.x * v.x, u.y * s.y * v.y, u.z * s.z * v.z, u.w * s.w * v.w));
      },
      [=](int64 i) {
        const int64 j = i / width * 2 * width + i % width;
        const float u = load(x, format, j), v = load(x, format, j + width), d = load(dy, format, i);
        const float s = sigmoid_of(u);
        store(dx, format, j, d * v * (s + u * s * (1 - s)));
        store(dx, format, j + width, d * u * s);
        if (y) store(y, format, i, u * s * v);
      });
}

// Softmax of rows of `width` numbers, shifted by the largest. A block a row.
KERNEL softmax(const float *x, float *y, int width) {
  SHARED float scratch[32];
  x += (int64)blockIdx.x * width;
  y += (int64)blockIdx.x * width;
  float highest = -INFINITY_F, sum = 0;
  for (int i = threadIdx.x; i < width; i += blockDim.x) highest = fmaxf(highest, x[i]);
  highest = block_max(highest, scratch);
  for (int i = threadIdx.x; i < width; i += blockDim.x) sum += expf(x[i] - highest);
  sum = block_sum(sum, scratch);
  for (int i = threadIdx.x; i < width; i += blockDim.x) y[i] = expf(x[i] - highest) / sum;
}

// dx = y (dy - <y, dy>). A block a row.
KERNEL softmax_backward(const float *y, const float *dy, float *dx, int width) {
  SHARED float scratch[32];
  const int64 start = (int64)blockIdx.x * width;
  float product = 0;
  for (int i = threadIdx.x; i < width; i += blockDim.x) product += y[start + i] * dy[start + i];
  product = block_sum(product, scratch);
  for (int i = threadIdx.x; i < width; i += blockDim.x) dx[start + i] = y[start + i] * (dy[start + i] - product);
}
