internal import Foundation
public import NanoExperiments

/// A race as text: a line a run, what they came to, and how long the published NanoKimi took.
public enum RaceTable {
  /// The lines, without a break after the last: losses in nats a character, times in seconds.
  public static func text(_ outcome: Race.Outcome) -> String {
    let target = fixed(outcome.target, 4)
    var lines = ["seed  steps  loss of all validation text  seconds of training"]
    for finish in outcome.finishes {
      let loss = fixed(finish.loss, 4) + (finish.loss <= outcome.target ? "" : ", above \(target)")
      lines.append(
        String(format: "%4d  %5d  ", Int(finish.seed), finish.steps)
          + loss.padding(toLength: 27, withPad: " ", startingAt: 0)
          + String(format: "  %19.2f", finish.trainingSeconds))
    }
    let mean = outcome.meanTrainingSeconds
    lines += [
      "",
      "\(outcome.arrivals) of \(outcome.finishes.count) runs score at most \(target), after "
        + "\(fixed(mean, 2)) s of training on average, with \(grouped(outcome.finishes.first?.parameters ?? 0)) parameters.",
    ]
    guard let published = outcome.published else {
      return (lines + ["The published NanoKimi was not run."]).joined(separator: "\n")
    }
    let (training, all) = (published.trainingSeconds, published.seconds)
    lines.append(
      "The published NanoKimi, \(grouped(published.steps)) steps: \(fixed(training, 1)) s of training, "
        + "\(fixed(all, 1)) s with its evaluations, of which the lowest is \(fixed(published.loss, 4)).")
    lines.append(
      "So the race is \(fixed(all / mean, 1)) times as fast as the published run to its end, "
        + "\(fixed(training / mean, 1)) times as fast as its steps alone.")
    return lines.joined(separator: "\n")
  }
}
