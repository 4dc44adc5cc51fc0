/// How far a study is that goes on.
public struct StudyProgress: Hashable, Sendable {
  /// The run that is on its way; nil between two runs.
  public struct Current: Hashable, Sendable {
    /// For people.
    public var title: String
    /// Steps that it has made.
    public var step: Int
    /// Steps that it is to make.
    public var steps: Int

    /// A run that has made some of its steps, from none to all.
    public init(title: String, step: Int, steps: Int) {
      self.title = title
      self.step = step
      self.steps = steps
    }
  }

  /// Nil between two runs, and where each run is a process of its own.
  public var current: Current?
  /// Runs that have ended, those included that failed.
  public var endedRuns: Int
  /// All runs of the study.
  public var runs: Int

  /// The progress of a study of so many runs, of which some have ended.
  public init(_ current: Current?, endedRuns: Int, of runs: Int) {
    self.current = current
    self.endedRuns = endedRuns
    self.runs = runs
  }

  /// In runs.
  var made: Double { Double(endedRuns) + (current.map { Double($0.step) / Double(max(1, $0.steps)) } ?? 0) }
}
