internal import Foundation
internal import NanoExperiments
internal import NanoTensor

extension ReportPage {
  /// How far the study is, or why it ended early.
  var status: HTML {
    guard let progress else {
      let failures = (results.failures ?? []).map { "<div>\($0.description)</div>" as HTML }
      return failures.isEmpty ? "" : "<div class='status caution'>Training failed.\(failures)</div>\n"
    }
    let written = Date().formatted(.iso8601)
    let current = progress.current.map { "\($0.title): step \(grouped($0.step)) of \(grouped($0.steps)). " } ?? ""
    let made = String(format: "%.3f", progress.made)
    return """
      <div class='status'>\(current)\(progress.endedRuns) of \(progress.runs) runs have ended. Written \
      <time id='written' datetime='\(written)'>\(written)</time>; the page is read again while the study goes on.\
      <progress max='\(progress.runs)' value='\(made)' aria-label='runs'></progress></div>

      """
  }

  /// The first sentence large, the others below it.
  var verdict: HTML {
    guard progress == nil else {
      return "<p class='verdict'>The study is still going on: nothing is decided yet.</p>\n"
    }
    // Of many arms that are set against each other, each comparison is a sentence.
    let findings = results.study.arms.count > 3 ? results.analysis.map(StudySummary.findings) ?? [] : []
    let isComplete = Completeness(results).caution == nil
    let lines =
      findings.isEmpty || !isComplete ? Verdict.text(results).split(separator: "\n").map(String.init) : findings
    let sentences = (lines.first ?? "").split(separator: ". ", maxSplits: 1).map(String.init)
    let first = (sentences.first ?? "") + (sentences.count > 1 ? "." : "")
    let others =
      sentences.dropFirst() + lines.dropFirst()
      + (results.analysis?.warnings ?? []).filter { !$0.hasPrefix("One seed") }
    return "<p class='verdict'>\(first)</p>\n<ul>\(others.map { "<li>\($0)</li>\n" as HTML })</ul>\n"
  }
}
