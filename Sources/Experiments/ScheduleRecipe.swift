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

  public var form: Form
  /// Steps of linear warm-up; at most half of a run.
  public var warmUpSteps: Int
  /// The rates at the end, as a share of the peak.
  public var finalShare: Float

  public init(_ form: Form, warmUpSteps: Int = 0, finalShare: Float = 0) {
    self.form = form
    self.warmUpSteps = warmUpSteps
    self.finalShare = finalShare
  }

  /// The schedule of a run of so many steps.
  public func schedule(steps: Int) -> any LearningRateSchedule {
    let warmUp = min(warmUpSteps, steps / 2)
    func decay(over decaySteps: Int) -> WarmUpStableDecaySchedule {
      WarmUpStableDecaySchedule(
        warmUpSteps: warmUp, decaySteps: decaySteps, totalSteps: steps, finalFactor: finalShare)
    }
    switch form {
    case .cosine: return CosineSchedule(warmUpSteps: warmUp, totalSteps: steps, finalFactor: finalShare)
    case .wsd: return decay(over: steps / 5)
    case .linear: return decay(over: steps - warmUp)
    case .constant: return ConstantSchedule(warmUpSteps: warmUp)
    }
  }
}
