import CEmulatedKernels
import CNanoKernels
import NanoTensor
import TensorTestSupport
import Testing

private typealias ProductKernel = (UnsafePointer<nk_gemm>?) -> Void

/// `A B` for a square A, stored row-major or the other way, and its tiles above or below the diagonal if only
/// those are wanted; the rest stays -1.
private func product(
  _ a: [Float], extent: Int, transposesA: Bool, columns: Int, triangle: nk_triangle, _ kernel: ProductKernel
) -> [Float] {
  var c = [Float](repeating: -1, count: extent * columns)
  wave([extent, columns], frequency: 1.3).scalars.withUnsafeBufferPointer { b in
    a.withUnsafeBufferPointer { a in
      c.withUnsafeMutableBufferPointer { c in
        var p = nk_gemm(
          rows: extent, columns: columns, depth: extent,
          a: operand(a.baseAddress!, transposed: transposesA, stride: extent),
          b: operand(b.baseAddress!, stride: columns),
          c: nk_result(start: c.baseAddress, format: NK_FP32, stride: columns), addend: nk_addend(), alpha: 0.5,
          triangle: triangle)
        kernel(&p)
      }
    }
  }
  return c
}

private func checkTriangles(extent: Int, _ kernel: ProductKernel) {
  let full = wave([extent, extent], frequency: 0.7).scalars
  for transposesA in [false, true] {
    for (triangle, isLower) in [(NK_A_LOWER, true), (NK_A_UPPER, false)] {
      let triangular = full.indices.map { index in
        let (slow, fast) = (index / extent, index % extent)
        let (row, depth) = transposesA ? (fast, slow) : (slow, fast)
        return (isLower ? depth <= row : depth >= row) ? full[index] : 0
      }
      let results = [triangle, NK_FULL].map {
        product(
          triangular, extent: extent, transposesA: transposesA, columns: 40, triangle: $0, kernel)
      }
      let agree = results[0] == results[1]
      #expect(agree, "\(triangle) of \(extent), transposed: \(transposesA)")
    }
    let whole = product(
      full, extent: extent, transposesA: transposesA, columns: extent, triangle: NK_FULL, kernel)
    for (triangle, isLower) in [(NK_RESULT_LOWER, true), (NK_RESULT_UPPER, false)] {
      let part = product(
        full, extent: extent, transposesA: transposesA, columns: extent, triangle: triangle, kernel)
      let agree = part.indices.allSatisfy { index in
        let (row, column) = (index / extent, index % extent)
        return (isLower ? column > row : column < row) || part[index] == whole[index]
      }
      #expect(agree, "\(triangle) of \(extent), transposed: \(transposesA)")
    }
  }
}

/// What a triangular product leaves out are zeros and results that nobody wants: the rest has the same bits.
@Test(arguments: InstructionSet.allCases.filter(\.isSupported), [5, 32, 70, 300])
func triangularProductsAreTheWholeOnes(set: InstructionSet, extent: Int) throws {
  let table = try set.kernels()
  for kernel in [table.gemm, table.gemm_split, table.gemm_bf16, table.gemm_fp16] {
    checkTriangles(extent: extent) { kernel!($0) }
  }
}

@Test(arguments: [5, 32, 70, 300])
func triangularProductsThroughEmulatedTilesAreTheWholeOnes(extent: Int) {
  checkTriangles(extent: extent) { nk_gemm_bf16_emulated($0) }
  checkTriangles(extent: extent) { nk_gemm_bf16_pairs_emulated($0) }
  checkTriangles(extent: extent) { nk_gemm_split_emulated($0) }
}
