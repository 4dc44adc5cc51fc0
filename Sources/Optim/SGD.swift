internal import NanoPreconditions
internal import NanoTensor

/// Stochastic gradient descent with momentum, as PyTorch's `torch.optim.SGD`.
///
/// ```
/// g ← g + λ p
/// m ← μ m + g          (m = g on the first step)
/// p ← p - lr (g + μ m) with Nesterov, p - lr m without
/// ```
public struct SGD: MomentumOptimizer, Hashable, Codable {
  /// The base rate, before a schedule.
  public var learningRate: Float
  /// The share of the momentum that a step keeps; 0 for none.
  public var momentum: Float
  /// Whether the update looks one step ahead of the momentum.
  public var usesNesterov: Bool
  /// Coupled: added to the gradient, as PyTorch does.
  public var weightDecay: Float

  /// - Precondition: Nesterov needs momentum.
  public init(
    learningRate: Float = 1e-3, momentum: Float = 0, usesNesterov: Bool = false,
    weightDecay: Float = 0
  ) {
    checkPrecondition(!usesNesterov || momentum > 0, "SGD: Nesterov without momentum")
    self.learningRate = learningRate
    self.momentum = momentum
    self.usesNesterov = usesNesterov
    self.weightDecay = weightDecay
  }

  public func update(
    _ parameter: inout MutableSpan<Float>, gradient: Span<Float>, factors: StepFactors,
    state: inout MomentumState
  ) {
    state.stepCount += 1
    checkCounts(parameter, gradient, state: state.momentum, rule: "SGD")
    let rate = learningRate * factors.learningRate
    let decayed = kernels.combination(factors.gradient, gradient, weightDecay, parameter.span)
    kernels.combine(momentum, &state.momentum, 1, decayed)
    if usesNesterov {
      kernels.add(decayed, times: -rate, to: &parameter)
      kernels.add(state.momentum, times: -rate * momentum, to: &parameter)
    } else {
      kernels.add(state.momentum, times: -rate, to: &parameter)
    }
  }

  public func enqueueUpdate(of parameter: DeviceParameter, state: inout MomentumState, in updates: inout DeviceUpdates)
  {
    updates.enqueueSGD(
      RuleRecord(
        learningRate: learningRate, weightDecay: weightDecay, momentum: momentum,
        aheadMomentum: usesNesterov ? momentum : 1, aheadGradient: usesNesterov ? 1 : 0),
      stepCount: state.stepCount, momentum: &state.momentum)
  }

  public func finishUpdate(of parameter: DeviceParameter, factors: StepFactors, state: inout MomentumState) {
    state.stepCount += 1
  }

  public func learningRate(for parameter: ParameterDescription) -> Float { learningRate }
}
