/// A short run that settings of an arm were tried in.
public struct TuningTrial: Hashable, Sendable, Codable {
  /// The name of the arm whose settings were tried.
  public var arm: String
  /// From 0, which tries the arm's own settings.
  public var number: Int
  /// The seed of the run, the same in all trials of a search.
  public var seed: UInt64
  /// By the name of the flag.
  public var settings: [String: Double]
  /// On the last tenth of the training split; nil where training failed.
  public var loss: Double?

  /// A trial and what its run came to.
  public init(arm: String, number: Int, seed: UInt64, settings: [String: Double], loss: Double?) {
    self.arm = arm
    self.number = number
    self.seed = seed
    self.settings = settings
    self.loss = loss
  }
}
