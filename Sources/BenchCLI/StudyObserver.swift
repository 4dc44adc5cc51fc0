import NanoExperiments
import NanoReport
import NanoTraining

/// Everyone who watches a run: the terminal, the report's page, and TensorBoard's events if they are wanted.
struct StudyObserver: RunObserver {
  var display: RunDisplay
  let report: LiveReport?
  /// The run's folder; nil for no events.
  let eventFolder: String?
  private var events: TensorBoardLog?

  init(display: RunDisplay, report: LiveReport? = nil, eventFolder: String? = nil) {
    self.display = display
    self.report = report
    self.eventFolder = eventFolder
  }

  /// Of a run that is one of many: nothing is shown.
  init(quietlyWatching planned: Study.PlannedRun, in folder: String, writesEvents: Bool) {
    self.init(
      display: RunDisplay(planned, validationTokens: 0, isQuiet: true, tableInterval: nil),
      eventFolder: writesEvents ? "\(folder)/\(planned.name)" : nil)
  }

  mutating func didBegin(_ routing: RoutingTable) { display.didBegin(routing) }

  mutating func didStep(_ step: Int, of total: Int, loss: Double, tokensPerSecond: Double) {
    display.didStep(step, of: total, loss: loss, tokensPerSecond: tokensPerSecond)
  }

  mutating func didRecord(_ record: StepRecord) throws {
    display.didRecord(record)
    try events?.append(record)
  }

  mutating func didEvaluate(_ point: EvaluationPoint, of total: Int) throws {
    display.didEvaluate(point, of: total)
    try events?.append(point)
  }

  mutating func didProgress(_ result: RunResult) throws {
    if let eventFolder, events == nil { events = try TensorBoardLog(folder: eventFolder, continuing: result) }
    try report?.didProgress(result)
  }

  mutating func didSample(_ samples: [Sample]) { display.didSample(samples) }
  mutating func didNotice(_ message: String) { display.didNotice(message) }
  mutating func didEnd() { display.didEnd() }
}
