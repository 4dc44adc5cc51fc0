/// A named experiment within a study; the seed is the study's.
public struct Arm: Hashable, Sendable, Codable {
  /// One of the values that a factor of a study takes, such as Muon of the optimizers.
  public struct Level: Hashable, Sendable, Codable {
    public var factor: String
    public var level: String

    public init(_ level: String, of factor: String) {
      self.factor = factor
      self.level = level
    }
  }

  /// As its folder and its results have it.
  public var name: String
  /// For people.
  public var title: String
  public var experiment: Experiment
  /// Where it stands among the arms of a factorial study: a level of each factor.
  public var levels: [Level]?
  /// How its settings were chosen; nil where nobody searched for them.
  public var tuning: String?

  public init(
    name: String, title: String, experiment: Experiment, levels: [Level]? = nil, tuning: String? = nil
  ) {
    self.name = name
    self.title = title
    self.experiment = experiment
    self.levels = levels
    self.tuning = tuning
  }
}
