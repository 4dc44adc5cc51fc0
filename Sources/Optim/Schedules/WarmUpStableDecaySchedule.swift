internal import NanoPreconditions

/// Linear warm-up, a long constant stretch, then a linear decay to a final factor, which it keeps.
/// - SeeAlso: Hu et al., "MiniCPM", 2024, arXiv:2404.06395.
public struct WarmUpStableDecaySchedule: LearningRateSchedule, Hashable, Codable {
  /// Steps of linear warm-up.
  public var warmUpSteps: Int
  /// Steps of the decay, the last ones.
  public var decaySteps: Int
  /// The step at which the final factor is reached.
  public var totalSteps: Int
  /// The factor from ``totalSteps`` on.
  public var finalFactor: Float

  /// - Precondition: warm-up and decay fit into the total.
  public init(warmUpSteps: Int, decaySteps: Int, totalSteps: Int, finalFactor: Float = 0) {
    checkPrecondition(
      warmUpSteps >= 0 && decaySteps >= 0 && warmUpSteps + decaySteps <= totalSteps,
      "WarmUpStableDecaySchedule: \(warmUpSteps) + \(decaySteps) steps of \(totalSteps)")
    self.warmUpSteps = warmUpSteps
    self.decaySteps = decaySteps
    self.totalSteps = totalSteps
    self.finalFactor = finalFactor
  }

  public func factor(at step: Int) -> Float {
    if step < warmUpSteps { return warmUpFactor(at: step, over: warmUpSteps) }
    let remaining = totalSteps - step
    guard remaining < decaySteps else { return 1 }
    return finalFactor + (1 - finalFactor) * Float(max(0, remaining)) / Float(decaySteps)
  }
}

extension LearningRateSchedule where Self == WarmUpStableDecaySchedule {
  /// Linear warm-up, then a linear decay over all steps that are left.
  /// - Precondition: no more warm-up steps than steps.
  public static func linear(warmUpSteps: Int = 0, totalSteps: Int, finalFactor: Float = 0) -> Self {
    WarmUpStableDecaySchedule(
      warmUpSteps: warmUpSteps, decaySteps: totalSteps - warmUpSteps, totalSteps: totalSteps,
      finalFactor: finalFactor)
  }
}
