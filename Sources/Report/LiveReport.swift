internal import Foundation
public import NanoExperiments

/// Keeps a study's folder up to date while its runs are made one after another.
public final class LiveReport {
  private let folder: String
  /// Of the runs that have ended.
  private var results: StudyResults
  private var lastPage = Date.distantPast

  /// Between two pages at least, in seconds: an evaluation may take less time than a page.
  private static let interval = 5.0

  /// - Parameter results: without any run.
  public init(_ results: StudyResults, folder: String) {
    self.results = results
    self.folder = folder
  }

  /// After an evaluation of the run that is on its way.
  public func didProgress(_ result: RunResult) throws {
    guard Date().timeIntervalSince(lastPage) >= Self.interval else { return }
    var shown = results
    shown.models.append(result)
    let arm = results.study.arms.first { $0.name == result.name }
    let current = StudyProgress.Current(
      title: result.title, step: result.completedIterations, steps: arm?.experiment.iterations ?? 0)
    try StudyReport.writePage(shown, progress: progress(current), to: folder)
    lastPage = Date()
  }

  /// After a run.
  public func didEnd(_ results: StudyResults) throws {
    self.results = results
    try StudyReport.write(results, progress: progress(nil), to: folder)
    lastPage = Date()
  }

  /// After the last run, or whatever else ended the study: the page is read again no more.
  public func close() throws { try StudyReport.writePage(results, to: folder) }

  private func progress(_ current: StudyProgress.Current?) -> StudyProgress {
    StudyProgress(current, endedRuns: results.models.count, of: results.study.runs.count)
  }
}
