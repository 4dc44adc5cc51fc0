internal import NanoTensor

/// The state of a parameter under ``Muon`` and ``TrueMuon``: its momentum, and which matrices it consists of.
public struct MatrixMomentum: Sendable {
  var stepCount = 0
  var momentum: Tensor
  /// What an update's normalization keeps of all matrices; empty where it keeps nothing.
  private var moments: Tensor
  let stack: MatrixStack

  /// - Precondition: the parameter is a matrix or a stack of matrices.
  init(for parameter: ParameterDescription, rule: String, updateNormalization: UpdateNormalization?) {
    momentum = Tensor(zeros: [parameter.shape.elementCount])
    stack = parameter.matrixStack(for: rule)
    moments = Tensor(zeros: [stack.count * (updateNormalization?.momentCount(of: stack) ?? 0)])
  }

  init(
    restoring snapshot: StateSnapshot, for parameter: ParameterDescription, rule: String,
    updateNormalization: UpdateNormalization?
  ) throws(StateMismatch) {
    self.init(for: parameter, rule: rule, updateNormalization: updateNormalization)
    stepCount = snapshot.stepCount
    momentum = Tensor(try snapshot.buffer("momentum", of: parameter), shape: momentum.shape)
    guard moments.elementCount > 0 else { return }
    moments = Tensor(
      try snapshot.buffer("moments", of: parameter, count: moments.elementCount), shape: moments.shape)
  }

  /// Calls `body` with what a checkpoint holds.
  func forEachBuffer(_ body: (_ name: String, _ elements: Span<Float>) throws -> Void) rethrows {
    try momentum.withElements { try body("momentum", $0) }
    if moments.elementCount > 0 { try moments.withElements { try body("moments", $0) } }
  }

  /// Takes the step `p ← decay · p - step · O`, with O the polar factor of each matrix of `direction`, either of them
  /// normalized if that is wanted.
  /// - Parameters:
  ///   - isCautious: whether only elements decay whose sign is the update's.
  ///   - keepsNorm: whether the step is made on the sphere that the matrix lies on.
  mutating func apply(
    _ direction: Tensor, to parameter: inout MutableSpan<Float>, directionNormalization: DirectionNormalization? = nil,
    orthogonalization: Orthogonalization, updateNormalization: UpdateNormalization? = nil, decay: Float,
    isCautious: Bool = false, keepsNorm: Bool = false, step: Float
  ) {
    for (index, range) in stack.ranges.enumerated() {
      var update = direction.withElements { elements in
        let matrix = elements.extracting(range)
        guard let directionNormalization else {
          return orthogonalization.polarFactor(of: matrix, rows: stack.rows, columns: stack.columns)
        }
        var normalized = kernels.scaled(matrix, by: 1, shape: [stack.rows, stack.columns])
        directionNormalization.apply(to: &normalized, of: stack)
        return normalized.withElements {
          orthogonalization.polarFactor(of: $0, rows: stack.rows, columns: stack.columns)
        }
      }
      updateNormalization?.apply(to: &update, of: stack, moments: &moments, index: index)
      let sphere = keepsNorm ? Sphere(through: parameter.span.extracting(range)) : nil
      let step = sphere?.step(step, along: update) ?? step
      if isCautious {
        parameter.decayCautiously(by: decay, from: range.lowerBound, step: step, update)
      } else {
        kernels.combine(decay, &parameter, from: range.lowerBound, -step, update)
      }
      sphere?.project(&parameter, range)
    }
  }
}

extension ParameterDescription {
  /// Its matrices; traps where it has none.
  func matrixStack(for rule: String) -> MatrixStack {
    guard let stack = shape.matrixStack else {
      fatalError("\(rule): \(name) is not declared as a matrix; route it to another optimizer")
    }
    return stack
  }
}
