import Foundation
import NanoExperiments
import NanoTensor

extension StudyResults {
  /// What the figures must not be taken for, a sentence each.
  var cautions: [String] {
    var cautions: [String] = []
    if let busy = models.first(where: { $0.loadAverageAtStart ?? 0 > Double(machine.cores) + 0.5 }) {
      cautions.append(
        String(
          format: "The machine was busy when %@ began (load %.1f on %d cores): times are not comparable.", busy.title,
          busy.loadAverageAtStart ?? 0, machine.cores))
    }
    if let (arm, made) = shortenedWarmUp {
      cautions.append(
        "The warm-up of \(arm.title) took \(made) iterations in place of \(arm.experiment.schedule.warmUpSteps): at most "
          + "half of a run warms up.")
    }
    if let text = study.corpus.content, text.training == text.validation {
      cautions.append("What validates is the text that trains: losses say nothing of any other.")
    }
    if corpus.kind == .characters, corpus.source == "built-in" {
      cautions.append(
        "The text is the built-in corpus: losses are not comparable with those on tiny Shakespeare, which "
          + "`bench-cli data shakespeare` fetches.")
    }
    return cautions
  }

  /// The first arm whose runs were too short for its warm-up, and the iterations that it had.
  private var shortenedWarmUp: (arm: Arm, made: Int)? {
    for arm in study.arms {
      let made = arm.experiment.schedule.warmUp(of: arm.experiment.iterations)
      if made < arm.experiment.schedule.warmUpSteps { return (arm, made) }
    }
    return nil
  }
}
