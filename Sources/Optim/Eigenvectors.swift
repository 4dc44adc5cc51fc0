internal import NanoTensor

/// The eigenvectors of a symmetric matrix, one a row, by falling eigenvalue: Jacobi's rotations, in Double.
///
/// A fixed order of plain operations, so the same bits on every machine. What is not finite stays so.
/// - Complexity: O(n³) a sweep, of which a handful suffice.
func eigenvectors(ofSymmetric matrix: Tensor) -> Tensor {
  let n = matrix.shape.width
  var a = matrix.scalars.map(Double.init)
  var vectors = [Double](repeating: 0, count: n * n)
  for index in 0..<n { vectors[index * n + index] = 1 }
  let total = a.reduce(0) { $0 + $1 * $1 }
  for _ in 0..<64 {
    var offDiagonal = 0.0
    for row in 0..<n { for column in row + 1..<n { offDiagonal += a[row * n + column] * a[row * n + column] } }
    guard offDiagonal > 1e-30 * total else { break }
    for p in 0..<n {
      for q in p + 1..<n where a[p * n + q] != 0 { rotate(&a, &vectors, p, q, n) }
    }
  }
  let order = (0..<n).sorted { (a[$0 * n + $0], $1) > (a[$1 * n + $1], $0) }
  return Tensor(order.flatMap { vectors[$0 * n..<($0 + 1) * n].map(Float.init) }, shape: [n, n])
}

/// One rotation, after which the element at (p, q) is zero.
private func rotate(_ a: inout [Double], _ vectors: inout [Double], _ p: Int, _ q: Int, _ n: Int) {
  let theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q])
  let tangent = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
  let cosine = 1 / (tangent * tangent + 1).squareRoot()
  let sine = tangent * cosine
  func turn(_ x: inout [Double], _ first: Int, _ second: Int) {
    let (u, v) = (x[first], x[second])
    x[first] = cosine * u - sine * v
    x[second] = sine * u + cosine * v
  }
  for index in 0..<n { turn(&a, index * n + p, index * n + q) }
  for index in 0..<n { turn(&a, p * n + index, q * n + index) }
  for index in 0..<n { turn(&vectors, p * n + index, q * n + index) }
}
