internal import Foundation
internal import NanoTensor

/// Adam with decoupled weight decay.
///
/// ```
/// p ← p (1 - lr·λ)
/// m ← m + (1 - β₁)(g - m),  v ← β₂ v + (1 - β₂) g²
/// p ← p - lr/(1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)
/// ```
///
/// Defaults and order of operations as PyTorch's `torch.optim.AdamW`.
/// - SeeAlso: Loshchilov, Hutter, 2017, arXiv:1711.05101.
public struct AdamW: Optimizer, Hashable, Codable {
  /// The base rate, before a schedule.
  public var learningRate: Float
  /// The share of the mean of gradients that a step keeps.
  public var beta1: Float
  /// The share of the mean of squared gradients that a step keeps.
  public var beta2: Float
  /// Added to the root of the mean square.
  public var epsilon: Float
  /// Decoupled: a step multiplies the weight by `1 - rate · weightDecay`.
  public var weightDecay: Float

  /// A rule with PyTorch's defaults.
  public init(
    learningRate: Float = 1e-3, beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8,
    weightDecay: Float = 0.01
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  /// One parameter's mean gradient, mean squared gradient and count of steps.
  public struct State: Sendable {
    var stepCount = 0
    var mean: Tensor
    var square: Tensor
  }

  public func makeState(for parameter: ParameterDescription) -> State {
    let shape: Shape = [parameter.shape.elementCount]
    return State(mean: Tensor(zeros: shape), square: Tensor(zeros: shape))
  }

  public func update(
    _ parameter: inout MutableSpan<Float>, gradient: Span<Float>, factors: StepFactors,
    state: inout State
  ) {
    state.stepCount += 1
    let step = Double(state.stepCount)
    let rate = learningRate * factors.learningRate
    let constants = AdamWConstants(
      beta1: beta1, beta2: beta2, epsilon: epsilon, decay: 1 - rate * weightDecay,
      stepSize: Float(Double(rate) / (1 - pow(Double(beta1), step))),
      inverseRootCorrection: Float(1 / (1 - pow(Double(beta2), step)).squareRoot()),
      gradientFactor: factors.gradient)
    checkCounts(parameter, gradient, state: state.mean, rule: "AdamW")
    kernels.adamW(constants, &parameter, gradient: gradient, mean: &state.mean, square: &state.square)
  }

  public func enqueueUpdate(of parameter: DeviceParameter, state: inout State, in updates: inout DeviceUpdates) {
    updates.enqueueAdamW(
      RuleRecord(
        learningRate: learningRate, weightDecay: weightDecay, momentum: beta1, momentum2: beta2, epsilon: epsilon,
        correctsRate: 1),
      stepCount: state.stepCount, mean: &state.mean, square: &state.square)
  }

  public func finishUpdate(of parameter: DeviceParameter, factors: StepFactors, state: inout State) {
    state.stepCount += 1
  }

  public func stepCount(of state: State) -> Int { state.stepCount }

  public func forEachBuffer(
    of state: State, _ body: (_ name: String, _ elements: Span<Float>) throws -> Void
  ) rethrows {
    try state.mean.withElements { try body("mean", $0) }
    try state.square.withElements { try body("square", $0) }
  }

  public func restoreState(
    for parameter: ParameterDescription, from snapshot: StateSnapshot
  ) throws(StateMismatch) -> State {
    let shape: Shape = [parameter.shape.elementCount]
    let square = try snapshot.buffer("square", of: parameter)
    guard square.allSatisfy({ $0 >= 0 }) else {
      throw StateMismatch(parameter: parameter.name, reason: "buffer 'square' has elements below zero")
    }
    return State(
      stepCount: snapshot.stepCount,
      mean: Tensor(try snapshot.buffer("mean", of: parameter), shape: shape),
      square: Tensor(square, shape: shape))
  }

  public func learningRate(for parameter: ParameterDescription) -> Float { learningRate }
}
