import Foundation
import NanoOptim
import NanoTensor
import NanoTestSupport
import TensorTestSupport
import Testing

private func orthogonalized(_ tensor: Tensor, _ method: Orthogonalization) -> Tensor {
  var result = tensor
  result.withMutableElements {
    method.apply(&$0, rows: tensor.shape[0], columns: tensor.shape[1])
  }
  return result
}

@Test func matchesFloat64Iteration() throws {
  let expected = try #require(try Fixture.load("optimizers")["newton_schulz.float64"]).scalars
  let matrix = wave([8, 20], frequency: 1.7 + 0.15, phase: 1.8)
  #expect(
    relativeDifference(orthogonalized(matrix, .newtonSchulz(.quintic)).scalars, expected) < 1e-4)
}

@Test(arguments: [(64, 64), (64, 128), (128, 64), (16, 64), (4, 64), (33, 70)])
func singularValuesEndNearOne(rows: Int, columns: Int) throws {
  var generator = RandomGenerator(seed: 7)
  // U diag(1 … 1/5) Vᵀ: divided by the Frobenius norm, every value is above 0.01, from where the interval
  // is promised.
  let svd = try SingularValueDecomposition(
    of: Tensor(normal: [rows, columns], using: &generator))
  let rank = min(rows, columns)
  let values = (0..<rank).map { Float(pow(5, -Double($0) / Double(max(1, rank - 1)))) }
  let left = Tensor(
    svd.left.scalars.enumerated().map { $1 * values[$0 % rank] }, shape: [rows, rank])
  let matrix = left.matmul(svd.rightTransposed)
  for (method, range) in [
    (NewtonSchulz.quintic, Float(0.68)...1.14), (.polarExpress, 0.8...1.2),
    (.convergent, 0.98...1.02),
  ] {
    let result = orthogonalized(matrix, .newtonSchulz(method))
    let ends = try SingularValueDecomposition(of: result).values.scalars
    #expect(ends.allSatisfy { range.contains($0) }, "\(ends.min()!)…\(ends.max()!)")
  }
}

@Test func exactPolarFactorIsOrthogonal() throws {
  try Orthogonalization.checkExactIsAvailable()
  var generator = RandomGenerator(seed: 8)
  let matrix = Tensor(normal: [6, 9], using: &generator)
  let factor = orthogonalized(matrix, .exact)
  let gram = factor.matmul(Tensor(transposed(factor), shape: [9, 6])).scalars
  for i in 0..<6 {
    for j in 0..<6 { #expect(abs(gram[i * 6 + j] - (i == j ? 1 : 0)) < 1e-4) }
  }
}

private func transposed(_ tensor: Tensor) -> [Float] {
  let (rows, columns, x) = (tensor.shape[0], tensor.shape[1], tensor.scalars)
  return (0..<rows * columns).map { x[$0 % rows * columns + $0 / rows] }
}

@Test(arguments: [(16, 64), (13, 21), (5, 8)])
func transposeOfAWideMatrixHasTheSameBits(rows: Int, columns: Int) {
  var generator = RandomGenerator(seed: 9)
  // Sixteenths: their squares add up to the same norm in whatever order, and vectors of whatever width.
  let wide = Tensor(
    Tensor(normal: [rows, columns], using: &generator).scalars.map { ($0 * 16).rounded() / 16 }, shape: [rows, columns])
  let tall = Tensor(transposed(wide), shape: [columns, rows])
  let method = Orthogonalization.newtonSchulz(.quintic)
  #expect(transposed(orthogonalized(tall, method)) == orthogonalized(wide, method).scalars)
}

@Test func zeroStaysZero() {
  let zero = Tensor(zeros: [5, 3])
  #expect(orthogonalized(zero, .newtonSchulz(.quintic)).scalars.allSatisfy { $0 == 0 })
  #expect(orthogonalized(zero, .exact).scalars.allSatisfy { $0 == 0 })
}

/// Noise in directions that the gradient lacks would be as large as the update: orthogonalizing makes all directions equal.
@Test(arguments: Precision.allCases, [1, 4, 16]) func updatesStayInTheSpaceOfAGradientOfLowRank(
  precision: Precision, rank: Int
) throws {
  var generator = RandomGenerator(seed: 10)
  let gradient = Tensor(normal: [64, rank], using: &generator).matmul(
    Tensor(normal: [rank, 256], using: &generator))
  let decomposition = try SingularValueDecomposition(of: gradient)
  let (left, right) = (decomposition.left.scalars, decomposition.rightTransposed.scalars)
  var method = try #require(Muon.pyTorch.newtonSchulz)
  method.precision = precision
  let update = orthogonalized(gradient, .newtonSchulz(method)).scalars.map(Double.init)
  // ‖Uᵀ O V‖² against ‖O‖², U and V being the gradient's singular vectors.
  var inside = 0.0
  for i in 0..<rank {
    for j in 0..<rank {
      var sum = 0.0
      for row in 0..<64 {
        for column in 0..<256 {
          sum += Double(left[row * 64 + i]) * update[row * 256 + column] * Double(right[j * 256 + column])
        }
      }
      inside += sum * sum
    }
  }
  let share = inside / update.reduce(0) { $0 + $1 * $1 }
  let isWhole = precision == .float32 || precision == .float32Split
  #expect(share >= (isWhole ? 0.999 : 0.99) && share < 1.001, "\(share)")
}

#if compiler(>=6.2)
  @Test func theExactPolarFactorIsOfFiniteNumbersOnly() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var matrix = [Float](repeating: 1, count: 6)
      matrix[4] = .nan
      var span = matrix.mutableSpan
      Orthogonalization.exact.apply(&span, rows: 2, columns: 3)
    }
    let error = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(error.contains("Orthogonalization.exact: a matrix of 2×3"), "\(error)")
  }
#endif

extension Muon {
  fileprivate var newtonSchulz: NewtonSchulz? {
    if case .newtonSchulz(let method) = orthogonalization { method } else { nil }
  }
}
