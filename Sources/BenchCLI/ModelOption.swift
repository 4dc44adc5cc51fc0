import ArgumentParser

/// A trained model.
struct ModelOption: ParsableArguments {
  @Option(
    "A model folder such as runs/latest/nanokimi, or a run's, of which the best model is meant", "folder",
    default: "runs/latest")
  var model: String?

  /// The model's folder.
  var folder: String { get throws { try LatestRun.model(model) } }
}
