internal import NanoTensor

/// The sign of an interpolated momentum, with decoupled weight decay.
///
/// ```
/// u ← sign(β₁ m + (1 - β₁) g)
/// p ← p (1 - lr·λ) - lr · u
/// m ← β₂ m + (1 - β₂) g
/// ```
///
/// Every element moves by the learning rate, so that is three to ten times smaller than AdamW's, and the decay as many
/// times larger.
/// - SeeAlso: Chen et al., 2023, arXiv:2302.06675.
public struct Lion: MomentumOptimizer, Hashable, Codable {
  /// The base rate, before a schedule.
  public var learningRate: Float
  /// The momentum's weight in the sign that is applied.
  public var beta1: Float
  /// The share of the momentum that a step keeps.
  public var beta2: Float
  /// Decoupled: a step multiplies the weight by `1 - rate · weightDecay`.
  public var weightDecay: Float

  /// A rule whose default rate is a tenth of that of ``AdamW``, without weight decay.
  public init(learningRate: Float = 1e-4, beta1: Float = 0.9, beta2: Float = 0.99, weightDecay: Float = 0) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.weightDecay = weightDecay
  }

  public func update(
    _ parameter: inout MutableSpan<Float>, gradient: Span<Float>, factors: StepFactors, state: inout MomentumState
  ) {
    checkCounts(parameter, gradient, state: state.momentum, rule: "Lion")
    state.stepCount += 1
    let rate = learningRate * factors.learningRate
    let decay = 1 - rate * weightDecay
    state.momentum.withMutableElements { momentum in
      for index in 0..<parameter.count {
        let (m, g) = (momentum[index], gradient[index] * factors.gradient)
        let direction = beta1 * m + (1 - beta1) * g
        let sign: Float = direction > 0 ? 1 : direction < 0 ? -1 : 0
        parameter[index] = decay * parameter[index] - rate * sign
        momentum[index] = beta2 * m + (1 - beta2) * g
      }
    }
  }

  public func learningRate(for parameter: ParameterDescription) -> Float { learningRate }
}
