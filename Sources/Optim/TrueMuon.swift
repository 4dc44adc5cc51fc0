internal import NanoTensor

/// The optimizer of the published NanoKimi study.
///
/// ```
/// m ← β m + (1 - β) g;  X = β m + g;  O = NewtonSchulz(X)
/// p ← p - lr (O + λ p)
/// ```
///
/// It differs from ``Muon`` in the look-ahead: the momentum is an average, but the gradient is added to it
/// with weight 1, so the current gradient weighs (1 + β(1 - β)) : β², about 57% at β = 0.9 where Muon's
/// weighs 19%. Kept because the study is defined by it.
public struct TrueMuon: MatrixMomentumOptimizer, Hashable, Codable {
  /// The base rate, before a schedule.
  public var learningRate: Float
  /// The share of the momentum that a step keeps.
  public var beta: Float
  /// λ, multiplied by the learning rate.
  public var weightDecay: Float
  /// How the update is made orthogonal.
  public var orthogonalization: Orthogonalization

  /// A rule that by default makes updates orthogonal with five quintic steps.
  public init(
    learningRate: Float = 1e-2, beta: Float = 0.9, weightDecay: Float = 0.01,
    orthogonalization: Orthogonalization = .newtonSchulz(.quintic)
  ) {
    self.learningRate = learningRate
    self.beta = beta
    self.weightDecay = weightDecay
    self.orthogonalization = orthogonalization
  }

  public func update(
    _ parameter: inout MutableSpan<Float>, gradient: Span<Float>, factors: StepFactors,
    state: inout MatrixMomentum
  ) {
    state.stepCount += 1
    checkCounts(parameter, gradient, state: state.momentum, rule: "TrueMuon")
    kernels.combine(beta, &state.momentum, (1 - beta) * factors.gradient, gradient)
    let direction = kernels.combination(beta, state.momentum, factors.gradient, gradient)
    let rate = learningRate * factors.learningRate
    state.apply(
      direction, to: &parameter, orthogonalization: orthogonalization, decay: 1 - rate * weightDecay, step: rate)
  }

  public func enqueueUpdate(
    of parameter: DeviceParameter, state: inout MatrixMomentum, in updates: inout DeviceUpdates
  ) {
    let rule = RuleRecord(
      learningRate: learningRate, weightDecay: weightDecay, momentum: beta, gradientWeight: 1 - beta,
      aheadMomentum: beta, aheadGradient: 1)
    updates.enqueueMuon(rule, state: &state, orthogonalization: orthogonalization)
  }

  public func finishUpdate(of parameter: DeviceParameter, factors: StepFactors, state: inout MatrixMomentum) {
    if orthogonalization.runsOnDevices {
      state.stepCount += 1
    } else {
      updateOnHost(parameter, factors: factors, state: &state)
    }
  }

  public func learningRate(for parameter: ParameterDescription) -> Float { learningRate }

  public func updateWork(of parameter: ParameterDescription) -> Int { orthogonalization.work(of: parameter) }
}
