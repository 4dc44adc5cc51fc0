internal import Foundation
internal import NanoPreconditions
internal import NanoTensor

/// Adam in the eigenbases of Shampoo's preconditioners, which are renewed every few steps.
///
/// ```
/// g' = Q_Lᵀ g Q_R;  m ← β₁ m + (1 - β₁) g',  v ← β₂ v + (1 - β₂) g'²
/// p ← (p - lr √(1 - β₂ᵗ)/(1 - β₁ᵗ) · Q_L (m / (√v + ε)) Q_Rᵀ) (1 - lr·λ)
/// L ← β₂ L + (1 - β₂) g gᵀ,  R ← β₂ R + (1 - β₂) gᵀ g
/// ```
///
/// Q_L and Q_R are at first the eigenvectors of the first gradient's L and R, and that step leaves the weights as they are.
/// After every ``preconditionFrequency`` further steps one iteration of `Q ← qr(L Q)` renews them, and m with them.
///
/// Only parameters declared as matrices may be given to it, each matrix of a stack by itself.
/// - Complexity: besides products, O((outputs³ + inputs³) / preconditionFrequency) a step.
/// - SeeAlso: Vyas et al., 2024, arXiv:2409.11321; nikhilvyas/SOAP, `soap.py`, whose defaults and order of operations these
///   are.
public struct SOAP: Optimizer, Hashable, Codable {
  /// The base rate, before a schedule.
  public var learningRate: Float
  /// The share of the mean of gradients that a step keeps.
  public var beta1: Float
  /// The share that a step keeps of the mean of squared gradients, and of L and R.
  public var beta2: Float
  /// Added to the root of the mean square.
  public var epsilon: Float
  /// Decoupled: a step multiplies the weight by `1 - rate · weightDecay`, after its update.
  public var weightDecay: Float
  /// Steps from one renewal of the eigenbases to the next.
  public var preconditionFrequency: Int

  /// A rule with the defaults of the authors' code.
  /// - Precondition: `preconditionFrequency` is at least 1.
  public init(
    learningRate: Float = 3e-3, beta1: Float = 0.95, beta2: Float = 0.95, epsilon: Float = 1e-8,
    weightDecay: Float = 0.01, preconditionFrequency: Int = 10
  ) {
    checkPrecondition(
      preconditionFrequency > 0, "SOAP: a precondition frequency of \(preconditionFrequency); it must be at least 1")
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.preconditionFrequency = preconditionFrequency
  }

  /// A parameter's moments, its preconditioners with their eigenbases, and its count of steps.
  public struct State: Sendable {
    var stepCount = 0
    let stack: MatrixStack
    var matrices: [PreconditionedMoments]
  }

  /// - Precondition: the parameter is a matrix or a stack of matrices.
  public func makeState(for parameter: ParameterDescription) -> State {
    let stack = parameter.matrixStack(for: "SOAP")
    let moments = PreconditionedMoments(rows: stack.rows, columns: stack.columns)
    return State(stack: stack, matrices: Array(repeating: moments, count: stack.count))
  }

  public func update(
    _ parameter: inout MutableSpan<Float>, gradient: Span<Float>, factors: StepFactors, state: inout State
  ) {
    let stack = state.stack
    let (count, gradientCount) = (parameter.count, gradient.count)
    checkPrecondition(
      count == stack.count * stack.matrixElementCount && gradientCount == count,
      "SOAP: state of \(stack.count) matrices of \(stack.rows)×\(stack.columns), parameter of \(count), gradient of "
        + "\(gradientCount)")
    let step = state.stepCount
    state.stepCount += 1
    let rate = learningRate * factors.learningRate
    let decay = 1 - rate * weightDecay
    let correction = (1 - pow(Double(beta2), Double(step))).squareRoot() / (1 - pow(Double(beta1), Double(step)))
    let constants = AdamWConstants(
      beta1: beta1, beta2: beta2, epsilon: epsilon, decay: 1, stepSize: rate * Float(correction),
      inverseRootCorrection: 1, gradientFactor: 1)
    for (index, range) in stack.ranges.enumerated() {
      let gradient = kernels.scaled(
        gradient.extracting(range), by: factors.gradient, shape: [stack.rows, stack.columns])
      if step > 0 {
        let change = state.matrices[index].change(by: gradient, constants)
        kernels.combine(decay, &parameter, from: range.lowerBound, decay, change)
      }
      state.matrices[index].precondition(
        by: gradient, beta: beta2, isFirst: step == 0, renewsBases: step % preconditionFrequency == 0)
    }
  }

  public func stepCount(of state: State) -> Int { state.stepCount }

  public func forEachBuffer(
    of state: State, _ body: (_ name: String, _ elements: Span<Float>) throws -> Void
  ) rethrows {
    for (index, matrix) in state.matrices.enumerated() {
      for (name, path) in PreconditionedMoments.buffers {
        try matrix[keyPath: path].withElements { try body("\(name).\(index)", $0) }
      }
    }
  }

  public func restoreState(
    for parameter: ParameterDescription, from snapshot: StateSnapshot
  ) throws(StateMismatch) -> State {
    var state = makeState(for: parameter)
    state.stepCount = snapshot.stepCount
    for index in state.matrices.indices {
      for (name, path) in PreconditionedMoments.buffers {
        let shape = state.matrices[index][keyPath: path].shape
        let buffer = try snapshot.buffer("\(name).\(index)", of: parameter, count: shape.elementCount)
        guard path != \.square || buffer.allSatisfy({ $0 >= 0 }) else {
          throw StateMismatch(parameter: parameter.name, reason: "buffer '\(name).\(index)' has elements below zero")
        }
        state.matrices[index][keyPath: path] = Tensor(buffer, shape: shape)
      }
    }
    return state
  }

  public func learningRate(for parameter: ParameterDescription) -> Float { learningRate }

  /// Of each matrix two turns into its bases and out of them, and two Gram matrices; now and then a decomposition of both.
  public func updateWork(of parameter: ParameterDescription) -> Int {
    guard let stack = parameter.shape.matrixStack else { return 0 }
    let (rows, columns) = (stack.rows, stack.columns)
    let renewal = 6 * (rows * rows * rows + columns * columns * columns)
    return stack.count * (3 * rows * columns * (rows + columns) + renewal / preconditionFrequency)
  }
}
