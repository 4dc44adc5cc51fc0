internal import NanoTensor

/// What is done to a direction before it is orthogonalized.
public enum DirectionNormalization: String, CaseIterable, Hashable, Sendable, Codable {
  /// Every output's weights are divided by their norm, `√(Σ x² + 10⁻⁸)`, so that the iteration begins with singular values
  /// closer together.
  /// - SeeAlso: Chang et al., "MuonEq", 2026, arXiv:2603.28254.
  case outputs
  /// Every input's weights.
  case inputs
  /// Both, by the norms of the direction as it was.
  case both
  /// Every element becomes its sign.
  /// - SeeAlso: Si et al., "AdaMuon", 2025, arXiv:2507.11005.
  case sign

  func apply(to direction: inout Tensor, of stack: MatrixStack) {
    let outputs = stack.outputAxis
    let axes: [MatrixAxis]
    switch self {
    case .outputs: axes = [outputs]
    case .inputs: axes = [outputs.other]
    case .both: axes = [outputs, outputs.other]
    case .sign:
      direction.withMutableElements { elements in
        for index in 0..<elements.count {
          elements[index] = elements[index] > 0 ? 1 : elements[index] < 0 ? -1 : 0
        }
      }
      return
    }
    let factors = axes.map { axis in direction.sumsOfSquares(of: axis).map { 1 / ($0 + 1e-8).squareRoot() } }
    for (axis, factors) in zip(axes, factors) { direction.scale(axis, by: factors) }
  }
}
