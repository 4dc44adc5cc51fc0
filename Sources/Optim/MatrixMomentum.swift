internal import NanoTensor

/// The state of a parameter under ``Muon`` and ``TrueMuon``: its momentum, and which matrices it consists of.
public struct MatrixMomentum: Sendable {
  var stepCount = 0
  var momentum: Tensor
  let stack: MatrixStack

  /// - Precondition: the parameter is a matrix or a stack of matrices.
  init(for parameter: ParameterDescription, rule: StaticString) {
    momentum = Tensor(zeros: [parameter.shape.elementCount])
    stack = Self.stack(of: parameter, rule: rule)
  }

  init(
    restoring snapshot: StateSnapshot, for parameter: ParameterDescription, rule: StaticString
  ) throws(StateMismatch) {
    stepCount = snapshot.stepCount
    momentum = Tensor(try snapshot.buffer("momentum", of: parameter), shape: [parameter.shape.elementCount])
    stack = Self.stack(of: parameter, rule: rule)
  }

  private static func stack(of parameter: ParameterDescription, rule: StaticString) -> MatrixStack {
    guard let stack = parameter.shape.matrixStack else {
      fatalError(
        "\(rule): \(parameter.name) is not declared as a matrix; route it to another optimizer")
    }
    return stack
  }

  /// Takes the step `p ← decay · p - step · O`, with O the polar factor of each matrix of `direction`.
  func apply(
    _ direction: Tensor, to parameter: inout MutableSpan<Float>, orthogonalization: Orthogonalization, decay: Float,
    step: Float
  ) {
    for range in stack.ranges {
      let factor = direction.withElements {
        orthogonalization.polarFactor(of: $0.extracting(range), rows: stack.rows, columns: stack.columns)
      }
      kernels.combine(decay, &parameter, from: range.lowerBound, -step, factor)
    }
  }
}
