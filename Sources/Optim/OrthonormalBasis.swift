internal import NanoPreconditions
internal import NanoTensor

/// An orthonormal basis, one vector a row, whose first k span what the first k of the given rows span, for every k: Q of
/// the QR decomposition, completed, by Householder's reflections. Vectors that depend on earlier ones are replaced by others.
///
/// A fixed order of plain operations, so the same bits on every machine.
/// - Precondition: no more rows than columns.
/// - Complexity: O(rows · columns²).
func orthonormalBasis(from vectors: Tensor) -> Tensor {
  let (count, n) = (vectors.shape.rowCount, vectors.shape.width)
  checkPrecondition(count <= n, "orthonormalBasis: \(count) vectors of \(n)")
  var reflections = vectors
  var basis = Tensor(zeros: [n, n])
  reflections.withMutableElements { reflections in
    reflections.withUnsafeMutableBufferPointer { rows in
      // The vector of each reflection takes its row's place, from its own index on, so long that H = I - v vᵀ.
      for index in 0..<count {
        let (start, length) = (rows.baseAddress! + index * n + index, n - index)
        makeReflection(start, length)
        for later in index + 1..<max(count, index + 1) {
          reflect(rows.baseAddress! + later * n + index, by: start, length)
        }
      }
      basis.withMutableElements { basis in
        basis.withUnsafeMutableBufferPointer { basis in
          for index in 0..<n { basis[index * n + index] = 1 }
          for index in (0..<count).reversed() {
            for row in index..<n {
              reflect(
                basis.baseAddress! + row * n + index, by: rows.baseAddress! + index * n + index, n - index)
            }
          }
        }
      }
    }
  }
  return basis
}

/// Replaces x by v of the reflection `I - v vᵀ` that takes x to a multiple of the first axis.
private func makeReflection(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
  let norm = product(x, x, count).squareRoot()
  // Of a zero vector, and of one whose squares vanish, there is no direction: no reflection.
  guard norm > 0 else {
    x.update(repeating: 0, count: count)
    return
  }
  let first = x[0] + (x[0] < 0 ? -norm : norm)
  // ‖v‖² before it is scaled to 2, without the cancellation of a sum.
  let scale = 1 / (norm * abs(first)).squareRoot()
  x[0] = first
  for index in 0..<count { x[index] *= scale }
}

/// `x ← x - v (v · x)`
private func reflect(_ x: UnsafeMutablePointer<Float>, by v: UnsafeMutablePointer<Float>, _ count: Int) {
  let factor = product(x, v, count)
  for index in 0..<count { x[index] -= factor * v[index] }
}

/// The inner product, in sixteen sums.
private func product(_ x: UnsafeMutablePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) -> Float {
  var sums = SIMD16<Float>()
  let whole = count & ~15
  for start in stride(from: 0, to: whole, by: 16) {
    sums +=
      UnsafeRawPointer(x + start).loadUnaligned(as: SIMD16<Float>.self)
      * UnsafeRawPointer(y + start).loadUnaligned(as: SIMD16<Float>.self)
  }
  return (whole..<count).reduce(sums.sum()) { $0 + x[$1] * y[$1] }
}
