/// How far a study is that goes on.
public struct StudyProgress: Hashable, Sendable {
  /// The run that is on its way; nil between two runs.
  public struct Current: Hashable, Sendable {
    public var title: String
    public var step: Int
    /// Steps that it is to make.
    public var steps: Int

    public init(title: String, step: Int, steps: Int) {
      self.title = title
      self.step = step
      self.steps = steps
    }
  }

  public var current: Current?
  public var endedRuns: Int
  public var runs: Int

  public init(_ current: Current?, endedRuns: Int, of runs: Int) {
    self.current = current
    self.endedRuns = endedRuns
    self.runs = runs
  }

  /// In runs.
  var made: Double { Double(endedRuns) + (current.map { Double($0.step) / Double(max(1, $0.steps)) } ?? 0) }
}
