public import NanoLayers

/// What a step reports.
public struct StepReport: Hashable, Sendable {
  /// Mean loss of the batch before the update.
  public let loss: Double
  /// Euclidean norm of all gradients, before clipping.
  public let gradientNorm: Float
  /// The schedule's factor on the learning rates.
  public let learningRateFactor: Float
  /// What attention and routers saw.
  public let statistics: ForwardStatistics
  /// Time of the optimizer alone.
  public let updateSeconds: Double
}
