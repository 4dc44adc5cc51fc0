/// A named experiment within a study; the seed is the study's.
public struct Arm: Hashable, Sendable, Codable {
  /// One of the values that a factor of a study takes, such as Muon of the optimizers.
  public struct Level: Hashable, Sendable, Codable {
    /// What is varied, as the study names it.
    public var factor: String
    /// The value that it has in this arm, as the study names it.
    public var level: String

    /// A level of a factor, each by its name.
    public init(_ level: String, of factor: String) {
      self.factor = factor
      self.level = level
    }
  }

  /// As its folder and its results have it.
  public var name: String
  /// For people.
  public var title: String
  /// What every run of the arm carries out, but for the seed.
  public var experiment: Experiment
  /// Where it stands among the arms of a factorial study: a level of each factor.
  public var levels: [Level]?
  /// How its settings were chosen; nil where nobody searched for them.
  public var tuning: String?

  /// An arm; only one whose settings were searched for has a `tuning`.
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
