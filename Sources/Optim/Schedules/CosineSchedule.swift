internal import Foundation
internal import NanoPreconditions

/// Linear warm-up, then half a cosine down to a final factor, which it keeps.
/// - SeeAlso: Loshchilov, Hutter, 2016, arXiv:1608.03983.
public struct CosineSchedule: LearningRateSchedule, Hashable, Codable {
  /// Steps of linear warm-up.
  public var warmUpSteps: Int
  /// The step at which the final factor is reached.
  public var totalSteps: Int
  /// The factor from ``totalSteps`` on.
  public var finalFactor: Float

  /// - Precondition: `0 <= warmUpSteps < totalSteps`.
  public init(warmUpSteps: Int, totalSteps: Int, finalFactor: Float = 0.1) {
    checkPrecondition(
      warmUpSteps >= 0 && warmUpSteps < totalSteps,
      "CosineSchedule: \(warmUpSteps) warm-up steps of \(totalSteps)")
    self.warmUpSteps = warmUpSteps
    self.totalSteps = totalSteps
    self.finalFactor = finalFactor
  }

  public func factor(at step: Int) -> Float {
    if step < warmUpSteps { return warmUpFactor(at: step, over: warmUpSteps) }
    let progress = min(1, Float(step - warmUpSteps) / Float(totalSteps - warmUpSteps))
    return finalFactor + (1 - finalFactor) * 0.5 * (1 + cos(Float.pi * progress))
  }
}

extension LearningRateSchedule where Self == CosineSchedule {
  /// Linear warm-up, then half a cosine down to the final factor.
  /// - Precondition: fewer warm-up steps than steps.
  public static func cosine(warmUpSteps: Int = 0, totalSteps: Int, finalFactor: Float = 0.1) -> Self {
    CosineSchedule(warmUpSteps: warmUpSteps, totalSteps: totalSteps, finalFactor: finalFactor)
  }
}
