public import NanoOptim
public import NanoTensor

/// What defines a comparison of models.
public protocol ComparisonConfiguration: Sendable, Codable {
  /// The preset that it started from.
  var presetName: String { get }
  var seed: UInt64 { get }
  var precision: Precision { get }
  var iterations: Int { get set }
  var learningRateSchedule: any LearningRateSchedule { get }
  /// Names of the models, as their folders and results have them.
  var modelNames: [String] { get }
}

/// What `results.json` holds. Names are stable.
public struct ComparisonResults<
  Configuration: ComparisonConfiguration, Corpus: Sendable & Codable, Figures: Sendable & Codable
>: Sendable, Codable {
  public var preset: String
  public var seed: UInt64
  public var precision: Precision
  public var configuration: Configuration
  public var corpus: Corpus
  public var machine: Machine
  /// Where the models were trained, of a resumed run at last: `cpu`, or the GPU's name.
  public var device: String
  public var versions: Versions
  /// Whether the run was stopped before its last iteration.
  public var interrupted: Bool
  /// Iterations that the run was to end after before it was made longer, each time.
  public var madeLongerAt: [Int]?
  public var models: [Figures]

  public init(
    configuration: Configuration, corpus: Corpus, interrupted: Bool, madeLongerAt: [Int]? = nil,
    device: Device = .cpu, models: [Figures]
  ) {
    preset = configuration.presetName
    seed = configuration.seed
    precision = configuration.precision
    self.configuration = configuration
    self.corpus = corpus
    machine = .current
    self.device = device.description
    versions = .current
    self.interrupted = interrupted
    self.madeLongerAt = madeLongerAt
    self.models = models
  }
}

/// What made the results.
public struct Versions: Hashable, Sendable, Codable {
  public var nanoKimi: String
  public var swift: String

  public static var current: Versions {
    #if swift(>=6.3)
      let swift = "6.3 or later"
    #elseif swift(>=6.2)
      let swift = "6.2"
    #else
      let swift = "6.1"
    #endif
    return Versions(nanoKimi: "0.1.0", swift: swift)
  }
}
