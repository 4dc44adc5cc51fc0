internal import NanoTensor

/// What is done to an update after it was made orthogonal.
public enum UpdateNormalization: Hashable, Sendable, Codable {
  /// Each output's part is divided by the root of a running mean of its squares, `v ← β v + (1 - β) mean(o²)`; then the
  /// whole has the norm that it had.
  /// - SeeAlso: Li et al., "NorMuon", 2025, arXiv:2510.05491.
  case outputwise(beta: Float)
  /// Each element is divided by the root of a running mean of its squares, as Adam does; then the whole has the norm of
  /// an orthogonal matrix, √min(outputs, inputs).
  /// - SeeAlso: Si et al., "AdaMuon", 2025, arXiv:2507.11005.
  case elementwise(beta: Float)
  /// Each output's part is divided by its norm, then each input's part by its.
  /// - SeeAlso: "Muon+", 2026, arXiv:2602.21545.
  case outputsThenInputs

  /// Running means that each matrix of a parameter keeps.
  func momentCount(of stack: MatrixStack) -> Int {
    switch self {
    case .outputwise: stack.outputs
    case .elementwise: stack.matrixElementCount
    case .outputsThenInputs: 0
    }
  }

  /// - Parameters:
  ///   - update: one matrix.
  ///   - moments: the running means of all matrices.
  ///   - index: the matrix's.
  func apply(to update: inout Tensor, of stack: MatrixStack, moments: inout Tensor, index: Int) {
    let (outputs, count) = (stack.outputAxis, momentCount(of: stack))
    let places = index * count..<(index + 1) * count
    switch self {
    case .outputwise(let beta):
      let norm = update.norm
      let means = update.sumsOfSquares(of: outputs).map { $0 / Float(stack.inputs) }
      let moments = Self.average(means, into: &moments, at: places, beta: beta)
      update.scale(outputs, by: moments.map { 1 / ($0.squareRoot() + 1e-10) })
      update = update * (norm / (update.norm + 1e-10))
    case .elementwise(let beta):
      let moments = Self.average(update.scalars.map { $0 * $0 }, into: &moments, at: places, beta: beta)
      update.withMutableElements { elements in
        for (place, moment) in moments.enumerated() { elements[place] /= moment.squareRoot() + 1e-8 }
      }
      update = update * (Float(min(stack.outputs, stack.inputs)).squareRoot() / (update.norm + 1e-8))
    case .outputsThenInputs:
      for axis in [outputs, outputs.other] {
        update.scale(axis, by: update.sumsOfSquares(of: axis).map { 1 / ($0 + 1e-7).squareRoot() })
      }
    }
  }

  /// Takes values into running means.
  /// - Returns: the means.
  private static func average(
    _ values: [Float], into moments: inout Tensor, at places: Range<Int>, beta: Float
  ) -> [Float] {
    moments.withMutableElements { moments in
      for (place, value) in zip(places, values) { moments[place] = beta * moments[place] + (1 - beta) * value }
      return places.map { moments[$0] }
    }
  }
}
