// Tensor cores and what feeds them, one function an instruction. In the emulation they are functions of
// cuda_emulation.h.
#pragma once

#include "common.cuh"

#ifndef NANO_CUDA_EMULATION

// d += a · b over a warp: a is 16 × 16 and b is 16 × 8 of bfloat16, d is 16 × 8 of float32. With g = lane / 4 and
// t = lane % 4, a lane holds
//   a[0] = a(g, 2t…2t+1), a[1] = a(g+8, 2t…), a[2] = a(g, 2t+8…), a[3] = a(g+8, 2t+8…)   lower column in the low half
//   b[0] = b(2t…2t+1, g), b[1] = b(2t+8…, g)                                            lower row in the low half
//   d[0], d[1] = d(g, 2t), d(g, 2t+1)   d[2], d[3] = d(g+8, 2t), d(g+8, 2t+1)
DEVICE void mma_bf16_m16n8k16(float d[4], const unsigned a[4], const unsigned b[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

DEVICE unsigned shared_address(const void *shared) { return (unsigned)__cvta_generic_to_shared(shared); }

// Loads 8 × 8 matrices of 16-bit numbers from shared memory. Lane 8m + r gives the address, a multiple of 16 bytes, of
// row r of matrix m. Of matrix m each lane gets fragments[m] = m(g, 2t…2t+1), or transposed m(2t…2t+1, g).
DEVICE void ldmatrix_x4(unsigned fragments[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
               : "r"(shared_address(row))
               : "memory");
}

DEVICE void ldmatrix_x4_trans(unsigned fragments[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
               : "r"(shared_address(row))
               : "memory");
}

// Two matrices: the addresses of lanes 0 to 15 count.
DEVICE void ldmatrix_x2(unsigned fragments[2], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
               : "=r"(fragments[0]), "=r"(fragments[1])
               : "r"(shared_address(row))
               : "memory");
}

DEVICE void ldmatrix_x2_trans(unsigned fragments[2], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
               : "=r"(fragments[0]), "=r"(fragments[1])
               : "r"(shared_address(row))
               : "memory");
}

// Copies 16 bytes, both addresses multiples of 16, in the background; writes zeros where not valid, and reads nothing
// then.
DEVICE void cp_async_16(void *shared, const void *global, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(valid ? 16 : 0)
               : "memory");
}

// Closes a group of the copies that this thread began.
DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits for this thread's groups but the latest `pending_groups`. Other threads' copies need a barrier after it.
template <int pending_groups>
DEVICE void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending_groups) : "memory");
}

#endif
