/// How the learning rate changes: a factor on every base rate, from the number of the step.
public protocol LearningRateSchedule: Sendable {
  /// The factor of step `step`, counted from 0.
  func factor(at step: Int) -> Float
}

/// The base rate throughout, after a linear warm-up if there is one: 1/n, 2/n, … 1 over n steps.
///
/// A schedule of one's own takes its warm-up from here: `ConstantSchedule(warmUpSteps: n).factor(at: step)`.
public struct ConstantSchedule: LearningRateSchedule, Hashable, Codable {
  /// Steps of linear warm-up.
  public var warmUpSteps: Int

  /// A constant rate behind so many steps of warm-up; 0 for none.
  public init(warmUpSteps: Int = 0) { self.warmUpSteps = warmUpSteps }

  public func factor(at step: Int) -> Float { warmUpFactor(at: step, over: warmUpSteps) }
}

/// The factor of a linear warm-up: 1/n, 2/n, … 1 over n steps.
func warmUpFactor(at step: Int, over count: Int) -> Float {
  count > 0 ? min(1, Float(step + 1) / Float(count)) : 1
}
