public import NanoOptim

/// How the learning rates change over a run.
public struct ScheduleRecipe: Hashable, Sendable, Codable {
  /// How they move after the warm-up.
  public enum Form: String, CaseIterable, Hashable, Sendable, Codable {
    /// Half a cosine.
    case cosine
    /// Constant, then a linear decay over the last fifth.
    case wsd
    /// A linear decay all the way.
    case linear
    case constant
  }

  /// How the rates move after the warm-up.
  public var form: Form
  /// Steps of linear warm-up; at most half of a run.
  public var warmUpSteps: Int
  /// The rates at the end, as a share of the peak.
  public var finalShare: Float

  /// A recipe of so many steps of warm-up, and at the end a share of the peak from 0 to 1.
  public init(_ form: Form, warmUpSteps: Int = 0, finalShare: Float = 0) {
    self.form = form
    self.warmUpSteps = warmUpSteps
    self.finalShare = finalShare
  }

  /// Steps of warm-up in a run of so many steps: at most half of them.
  public func warmUp(of steps: Int) -> Int { min(warmUpSteps, steps / 2) }

  /// The schedule of a run of so many steps.
  public func schedule(steps: Int) -> any LearningRateSchedule {
    let steps = max(1, steps)
    let warmUp = warmUp(of: steps)
    switch form {
    case .cosine: return CosineSchedule(warmUpSteps: warmUp, totalSteps: steps, finalFactor: finalShare)
    case .wsd:
      return WarmUpStableDecaySchedule(
        warmUpSteps: warmUp, decaySteps: steps / 5, totalSteps: steps, finalFactor: finalShare)
    case .linear: return .linear(warmUpSteps: warmUp, totalSteps: steps, finalFactor: finalShare)
    case .constant: return ConstantSchedule(warmUpSteps: warmUp)
    }
  }
}
