import NanoOptim

/// Muon whose orthogonal update has rows of equal length: every output learns as fast.
/// - SeeAlso: Li et al., 2025, "NorMuon", arXiv:2510.05491, which divides by a running mean of these lengths.
struct RowNormalizedMuon: Optimizer {
  var (learningRate, beta, weightDecay) = (Float(0.01), Float(0.95), Float(0.1))

  struct State: Sendable {
    let stack: MatrixStack
    var stepCount = 0
    var momentum: [Float]
  }

  func makeState(for parameter: ParameterDescription) -> State {
    guard let stack = parameter.shape.matrixStack else { fatalError("\(parameter.name) is not declared as a matrix") }
    return State(stack: stack, momentum: [Float](repeating: 0, count: parameter.shape.elementCount))
  }

  func update(
    _ parameter: inout MutableSpan<Float>, gradient: Span<Float>, factors: StepFactors, state: inout State
  ) {
    state.stepCount += 1
    let (rate, columns) = (learningRate * factors.learningRate, state.stack.columns)
    var update = state.momentum
    for index in update.indices {
      let g = (1 - beta) * factors.gradient * gradient[index]
      state.momentum[index] = beta * state.momentum[index] + g
      update[index] = beta * state.momentum[index] + g
    }
    for range in state.stack.ranges {
      var direction = Array(update[range])
      var span = direction.mutableSpan
      NewtonSchulz.quintic.orthogonalize(&span, rows: state.stack.rows, columns: columns)
      // Rows as long as those of an orthogonal matrix are on average.
      let length = min(1, Float(columns) / Float(state.stack.rows)).squareRoot()
      for row in stride(from: 0, to: direction.count, by: columns) {
        let norm = direction[row..<row + columns].reduce(0) { $0 + $1 * $1 }.squareRoot() + 1e-8
        for (index, place) in zip(row..<row + columns, range.dropFirst(row)) {
          parameter[place] -= rate * (weightDecay * parameter[place] + length / norm * direction[index])
        }
      }
    }
  }

  func stepCount(of state: State) -> Int { state.stepCount }

  func forEachBuffer(of state: State, _ body: (String, Span<Float>) throws -> Void) rethrows {
    try body("momentum", state.momentum.span)
  }

  func restoreState(for parameter: ParameterDescription, from snapshot: StateSnapshot) throws(StateMismatch) -> State {
    var state = makeState(for: parameter)
    (state.stepCount, state.momentum) = (snapshot.stepCount, try snapshot.buffer("momentum", of: parameter))
    return state
  }

  func learningRate(for parameter: ParameterDescription) -> Float { learningRate }
}
