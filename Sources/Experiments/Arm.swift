/// A named experiment within a study; the seed is the study's.
public struct Arm: Hashable, Sendable, Codable {
  /// As its folder and its results have it.
  public var name: String
  /// For people.
  public var title: String
  public var experiment: Experiment

  public init(name: String, title: String, experiment: Experiment) {
    self.name = name
    self.title = title
    self.experiment = experiment
  }
}
