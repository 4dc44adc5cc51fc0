// Rotary position embedding, and what multi-head latent attention needs around it.
//
// Of `width` channels, pair i of a row at position t is turned by an angle whose cosine and sine are number
// t · width / 2 + i of two tables:  a' = a cos - b sin,  b' = b cos + a sin.  A pair is channels 2i and 2i + 1
// (interleaved = 1) or i and i + width / 2 (0). `sign` is 1, or -1 to turn back.
//
// A thread turns pairs in runs: with `vectors`, of 4 channels side by side at a time, which asks for widths, steps and
// strides that are multiples of 4 (8 for the rotated width unless interleaved); otherwise one pair at a time.
#include "common.cuh"

struct Rotation {
  const float *cosines, *sines;  // of the row's position
  int width, interleaved;
  float sign;
};

DEVICE Rotation rotation(
    const float *cosines, const float *sines, int position, int width, int interleaved, float sign) {
  const int64 start = (int64)position * (width / 2);
  return {cosines + start, sines + start, width, interleaved, sign};
}

// Runs of a head's rotated channels: what turn_run takes indices of.
DEVICE int run_count(const Rotation &r, int vectors) {
  return vectors ? (r.interleaved ? r.width / 4 : r.width / 8) : r.width / 2;
}

DEVICE void turn(float &a, float &b, float cosine, float sine) {
  const float first = a;
  a = first * cosine - b * sine;
  b = b * cosine + first * sine;
}

// The first channels of a run's two parts; interleaved, the only part of vectors.
DEVICE int first_channel(const Rotation &r, int run, int vectors) {
  return vectors ? run * 4 : r.interleaved ? run * 2 : run;
}
DEVICE int second_channel(const Rotation &r, int run, int vectors) {
  return r.interleaved ? first_channel(r, run, vectors) + 1 : first_channel(r, run, vectors) + r.width / 2;
}

// Four channels side by side and, unless interleaved, their partners.
DEVICE void turn_vectors(const Rotation &r, int run, float4 &a, float4 &b) {
  if (r.interleaved) {
    const int pair = run * 2;
    turn(a.x, a.y, r.cosines[pair], r.sign * r.sines[pair]);
    turn(a.z, a.w, r.cosines[pair + 1], r.sign * r.sines[pair + 1]);
  } else {
    const int pair = run * 4;
    turn(a.x, b.x, r.cosines[pair], r.sign * r.sines[pair]);
    turn(a.y, b.y, r.cosines[pair + 1], r.sign * r.sines[pair + 1]);
    turn(a.z, b.z, r.cosines[pair + 2], r.sign * r.sines[pair + 2]);
    turn(a.w, b.w, r.cosines[pair + 3], r.sign * r.sines[pair + 3]);
  }
}

// Turns a run of the channels from `from` on and writes it from `to` on, which may be the same place.
DEVICE void turn_run(
    const Rotation &r, int run, int vectors, const void *source, int source_format, int64 from, void *target,
    int target_format, int64 to) {
  const int first = first_channel(r, run, vectors), second = second_channel(r, run, vectors);
  if (vectors) {
    float4 a = load4(source, source_format, from + first), b = make_float4(0, 0, 0, 0);
    if (!r.interleaved) b = load4(source, source_format, from + second);
    turn_vectors(r, run, a, b);
    store4(target, target_format, to + first, a);
    if (!r.interleaved) store4(target, target_format, to + second, b);
  } else {
    float a = load(source, source_format, from + first), b = load(source, source_format, from + second);
    turn(a, b, r.cosines[run], r.sign * r.sines[run]);
    store(target, target_format, to + first, a);
    store(target, target_format, to + second, b);
  }
}

DEVICE void copy_run(
    int run, int vectors, const void *source, int format, int64 from, void *target, int64 to) {
  if (vectors)
    store4(target, format, to + run * 4, load4(source, format, from + run * 4));
  else
    store(target, format, to + run, load(source, format, from + run));
}

// Turns `width` channels from `offset` on of each of `heads` heads, `head_width` wide, of every row, in place. Row n is
// at position first_position + n % length.
// Blocks: one a row, of 128 threads.
KERNEL rotary_turn(
    void *rows, int format, const float *cosines, const float *sines, int length, int first_position, int heads,
    int head_width, int offset, int width, int interleaved, float sign, int vectors) {
  const int row = blockIdx.x;
  const Rotation r = rotation(cosines, sines, first_position + row % length, width, interleaved, sign);
  const int runs = run_count(r, vectors);
  for (int i = threadIdx.x; i < heads * runs; i += blockDim.x) {
    const int64 start = ((int64)row * heads + i / runs) * head_width + offset;
    turn_run(r, i % runs, vectors, rows, format, start, rows, format, start);
  }
}

// What multi-head latent attention multiplies, of N rows and H heads, K = Kn + Kr:
//   queries, N × H·K, per head [Kn without position | Kr]: the last turned, into rotated_queries;
//   keys, N × H·K, per head [own, from key_values, N × H·(Kn + W) | shared_keys, N × Kr, turned].
// `shared_format` is that of shared_keys, `format` that of all others.
// Blocks: one a row, of 128 threads.
KERNEL latent_assemble(
    const void *queries, const void *key_values, const void *shared_keys, void *rotated_queries, void *keys,
    int format, int shared_format, const float *cosines, const float *sines, int length, int heads, int own_width,
    int rotary_width, int value_width, int interleaved, int vectors) {
  const int row = blockIdx.x;
  const int key_width = own_width + rotary_width, key_value_width = own_width + value_width;
  const Rotation r = rotation(cosines, sines, row % length, rotary_width, interleaved, 1);
  const int own_runs = vectors ? own_width / 4 : own_width, turned_runs = run_count(r, vectors);
  for (int i = threadIdx.x; i < heads * own_runs; i += blockDim.x) {
    const int64 head = (int64)row * heads + i / own_runs;
    copy_run(i % own_runs, vectors, queries, format, head * key_width, rotated_queries, head * key_width);
    copy_run(i % own_runs, vectors, key_values, format, head * key_value_width, keys, head * key_width);
  }
  for (int i = threadIdx.x; i < heads * turned_runs; i += blockDim.x) {
    const int64 start = ((int64)row * heads + i / turned_runs) * key_width + own_width;
    turn_run(r, i % turned_runs, vectors, queries, format, start, rotated_queries, format, start);
    turn_run(
        r, i % turned_runs, vectors, shared_keys, shared_format, (int64)row * rotary_width, keys, format, start);
  }
}

// The gradients of what latent_assemble was given, from those of what it made: turns the queries' last channels back
// in place; writes the keys' own channels into their places in the rows of key_values; and writes the sums over heads
// of the keys' shared channels, turned back, to shared_keys, N × Kr in shared_format.
// Blocks: one a row, of 128 threads.
KERNEL latent_gradients(
    void *queries, const void *keys, void *key_values, void *shared_keys, int format, int shared_format,
    const float *cosines, const float *sines, int length, int heads, int own_width, int rotary_width,
    int value_width, int interleaved, int vectors) {
  const int row = blockIdx.x;
  const int key_width = own_width + rotary_width, key_value_width = own_width + value_width;
  const Rotation r = rotation(cosines, sines, row % length, rotary_width, interleaved, -1);
  const int own_runs = vectors ? own_width / 4 : own_width, turned_runs = run_count(r, vectors);
  for (int i = threadIdx.x; i < heads * turned_runs; i += blockDim.x) {
    const int64 start = ((int64)row * heads + i / turned_runs) * key_width + own_width;
    turn_run(r, i % turned_runs, vectors, queries, format, start, queries, format, start);
  }
  for (int i = threadIdx.x; i < heads * own_runs; i += blockDim.x) {
    const int64 head = (int64)row * heads + i / own_runs;
    copy_run(i % own_runs, vectors, keys, format, head * key_width, key_values, head * key_value_width);
  }
  // One pair a thread: what is added up is short.
  for (int pair = threadIdx.x; pair < rotary_width / 2; pair += blockDim.x) {
    const int first = first_channel(r, pair, 0), second = second_channel(r, pair, 0);
    float a = 0, b = 0;
    for (int head = 0; head < heads; head++) {
      const int64 start = ((int64)row * heads + head) * key_width + own_width;
      a += load(keys, format, start + first);
      b += load(keys, format, start + second);
    }
    turn(a, b, r.cosines[pair], r.sign * r.sines[pair]);
    store(shared_keys, shared_format, (int64)row * rotary_width + first, a);
    store(shared_keys, shared_format, (int64)row * rotary_width + second, b);
  }
}
