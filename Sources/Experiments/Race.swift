public import NanoModels
internal import NanoOptim

/// Training a model of at most as many parameters as the published NanoKimi until it scores as low as that, as fast as
/// possible: a recipe that ends at a step fixed beforehand, made with several seeds.
///
/// What is timed are the steps. All of the validation text is scored once, after the last.
public enum Race {
  /// The lowest loss in the published NanoKimi's run, in nats a character.
  public static let publishedLoss = 1.6756

  /// The recipe.
  /// - Parameter steps: where it ends; the rate decays to zero there.
  public static func experiment(vocabularySize: Int, steps: Int? = nil) throws(ConfigurationError) -> Experiment {
    var experiment = try Preset.best.experiment(
      .nanoBest, optimizer: .polarExpress, vocabularySize: vocabularySize)
    experiment.iterations = steps ?? 1_800
    experiment.schedule.warmUpSteps = 50
    experiment.averagedShare = nil
    for index in experiment.optimizer.groups.indices {
      let isMuon = experiment.optimizer.groups[index].rule.isOfMuonFamily
      experiment.optimizer.groups[index].rule.learningRate = isMuon ? 0.015 : 1e-2
      experiment.optimizer.groups[index].rule.weightDecay = 0.01
    }
    experiment.evaluation = .fullPass(windowsOnTheWay: 1)
    experiment.evaluationInterval = experiment.iterations
    experiment.samples.showsBest = false
    return experiment
  }

  /// The published NanoKimi's run, evaluations and all.
  public static func published(vocabularySize: Int) throws(ConfigurationError) -> Experiment {
    try Preset.publishedCharacters.experiment(.nanoKimi, vocabularySize: vocabularySize)
  }

  /// How a run of the recipe ended.
  public struct Finish: Hashable, Sendable, Codable {
    /// The seed of the run.
    public var seed: UInt64
    /// Parameters of the model, each number counted.
    public var parameters: Int
    /// Steps that the run made.
    public var steps: Int
    /// On all of the validation text, in nats a character.
    public var loss: Double
    /// Seconds of all steps, the evaluation not counted.
    public var trainingSeconds: Double

    /// The finish of a run that reached its end, from its result.
    public init(_ result: RunResult) {
      seed = result.seed
      parameters = result.parameters
      steps = result.completedIterations
      loss = result.finalValidationLoss
      trainingSeconds = result.trainingSeconds
    }
  }

  /// How long the published NanoKimi took in the same sitting.
  public struct Published: Hashable, Sendable, Codable {
    /// The seed of the run.
    public var seed: UInt64
    /// Steps that the run made.
    public var steps: Int
    /// The lowest of its evaluations, each the mean over random batches.
    public var loss: Double
    /// Seconds of all steps, evaluations not counted.
    public var trainingSeconds: Double
    /// With its evaluations, which its protocol is made of.
    public var seconds: Double

    /// The published NanoKimi's run, from its result.
    public init(_ result: RunResult) {
      seed = result.seed
      steps = result.completedIterations
      loss = result.bestValidationLoss
      trainingSeconds = result.trainingSeconds
      seconds = result.seconds
    }
  }

  /// What the race came to.
  public struct Outcome: Hashable, Sendable, Codable {
    /// The loss that a run has to score at most, in nats a character.
    public var target: Double
    /// One entry a run of the recipe, each with a seed of its own.
    public var finishes: [Finish]
    /// Nil where that was not run.
    public var published: Published?

    /// An outcome of the runs that were made; its other figures follow from theirs.
    public init(target: Double, finishes: [Finish], published: Published?) {
      self.target = target
      self.finishes = finishes
      self.published = published
    }

    /// How many runs scored at most the target.
    public var arrivals: Int { finishes.count { $0.loss <= target } }
    /// Of all runs.
    public var meanTrainingSeconds: Double {
      finishes.reduce(0) { $0 + $1.trainingSeconds } / Double(max(1, finishes.count))
    }
  }
}
