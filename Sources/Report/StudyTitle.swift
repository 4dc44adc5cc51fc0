internal import NanoExperiments
internal import NanoTensor

extension StudyResults {
  /// What was compared, in a line.
  var title: String {
    guard study.arms.count <= 4 else { return "\(study.name): \(study.arms.count) arms, \(seedText)" }
    return (corpus.kind == .characters ? "Characters: " : "Stories: ")
      + study.arms.map(\.title).joined(separator: ", ")
  }

  /// How, in a line.
  var subtitle: String {
    let experiment = study.arms[0].experiment
    return
      "\(grouped(iterations)) steps of \(experiment.batchSize) × \(experiment.sequenceLength) tokens, \(seedText), "
      + "vocabulary \(grouped(corpus.vocabulary)), \(precision.rawValue), "
      + (device == "cpu" ? machine.processor : device)
  }

  private var seedText: String { study.seeds.count == 1 ? "seed \(study.seeds[0])" : "\(study.seeds.count) seeds" }
}
