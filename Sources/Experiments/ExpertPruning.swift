public import NanoData
public import NanoModels
internal import NanoAutograd
internal import NanoLayers
internal import NanoTensor
internal import NanoTraining

/// A trained dense mixture that gives up experts, in turn one of each layer.
///
/// An expert whose router bias is very low has a gate of exactly 0, as if it were not there; that is how candidates are
/// tried. The smaller model computes the same, since a softmax over the experts that stay is all that is left.
public struct ExpertPruning {
  /// Which expert a layer loses.
  public enum Criterion: String, CaseIterable, Hashable, Sendable, Codable {
    /// The one that the loss misses least.
    case loss
    /// The one whose gate is the largest of all for the fewest tokens.
    case load
    /// The one whose gates sum to least.
    case gateMass = "gate-mass"
  }

  /// What a removal came to.
  public struct Removal: Hashable, Sendable, Codable {
    /// Of the blocks, from 0.
    public var layer: Int
    /// As the model numbers it before any is removed.
    public var expert: Int
    /// On the windows that removals are chosen by, after it.
    public var loss: Double
  }

  private let model: Decoder
  private let experts: DenseMoE.Configuration
  private let weights: [String: Tensor]
  private let evaluator: FullPassEvaluator
  private let windows: Int
  /// Of each layer's experts, what keeps them; nil where the loss decides.
  private let merits: [[Double]]?
  /// Of each layer, the experts that stay.
  private var kept: [[Int]]
  /// What was removed so far, in that order; each round adds one a layer.
  public private(set) var removals: [Removal] = []
  /// Before any removal.
  public let loss: Double

  private static let parts = [
    "gate.weight", "gate.bias", "experts.expansion.weight", "experts.expansion.bias", "experts.contraction.weight",
    "experts.contraction.bias",
  ]

  /// - Parameters:
  ///   - text: removals are chosen by windows of it, spread over it all; not what the model is judged by.
  ///   - criterion: by what.
  ///   - windows: how many.
  /// - Throws: for a model without a dense mixture whose routers have biases.
  public init(
    of model: Decoder, on text: TokenizedText, by criterion: Criterion = .loss, windows: Int = 256
  ) throws {
    guard case .denseMoE(let experts) = model.configuration.feedForward, experts.hasBias else {
      throw ExperimentError("this model has no dense mixture of experts whose routers have biases: nothing to remove")
    }
    self.model = model
    self.experts = experts
    self.windows = windows
    weights = Dictionary(uniqueKeysWithValues: model.weights.map { ($0.name, $0.tensor) })
    kept = Array(repeating: Array(0..<experts.expertCount), count: model.configuration.layerCount)
    evaluator = FullPassEvaluator(text, windowLength: model.configuration.contextLength, precision: .float32)
    loss = evaluator.evaluate(model, windows: windows).nllPerToken
    merits = criterion == .loss ? nil : Self.merits(of: model, on: text, windows: windows, by: criterion)
  }

  /// Each layer's loads or sums of gates.
  private static func merits(
    of model: Decoder, on text: TokenizedText, windows: Int, by criterion: Criterion
  ) -> [[Double]] {
    let length = model.configuration.contextLength
    var generator = RandomGenerator(seed: 0)
    var merits: [[Double]] = []
    for _ in 0..<windows {
      let window = text.batch(sequenceCount: 1, sequenceLength: length, using: &generator)
      let context = ForwardContext(tape: Tape(recording: false), sequenceLength: length)
      let gates = model.gateProbabilities(for: window.inputs, in: context)
      if merits.isEmpty { merits = gates.map { Array(repeating: 0, count: $0.shape.width) } }
      for (layer, gates) in gates.enumerated() {
        let (experts, scalars) = (gates.shape.width, gates.scalars)
        for start in stride(from: 0, to: scalars.count, by: experts) {
          let row = scalars[start..<start + experts]
          switch criterion {
          case .load:
            let busiest = row.indices.max { row[$0] < row[$1] }!
            merits[layer][busiest - start] += 1
          case .loss, .gateMass: for expert in 0..<experts { merits[layer][expert] += Double(row[start + expert]) }
          }
        }
      }
    }
    return merits
  }

  /// Experts that each layer has left.
  public var expertCount: Int { kept[0].count }

  /// Removes one expert from every layer.
  public mutating func removeOneOfEach() throws {
    for layer in kept.indices {
      if let merits {
        let expert = kept[layer].min { (merits[layer][$0], $0) < (merits[layer][$1], $1) }!
        kept[layer].removeAll { $0 == expert }
        let loss = evaluator.evaluate(try masked(kept), windows: windows).nllPerToken
        removals.append(Removal(layer: layer, expert: expert, loss: loss))
        continue
      }
      var best: (expert: Int, loss: Double)?
      for expert in kept[layer] {
        var rest = kept
        rest[layer].removeAll { $0 == expert }
        let loss = evaluator.evaluate(try masked(rest), windows: windows).nllPerToken
        if best.map({ loss < $0.loss }) ?? true { best = (expert, loss) }
      }
      guard let best else { continue }
      kept[layer].removeAll { $0 == best.expert }
      removals.append(Removal(layer: layer, expert: best.expert, loss: best.loss))
    }
  }

  /// The model of the experts that are left, with fewer parameters.
  public func pruned() throws -> Decoder {
    var configuration = model.configuration
    configuration.denseMoE?.expertCount = kept[0].count
    var generator = RandomGenerator(seed: 0)
    var smaller = try Decoder(configuration, using: &generator)
    var tensors = weights
    for layer in kept.indices {
      for part in Self.parts {
        let name = name(of: part, in: layer)
        let tensor = weights[name]!
        let size = tensor.elementCount / experts.expertCount
        let scalars = tensor.scalars
        let chosen = kept[layer].flatMap { scalars[$0 * size..<($0 + 1) * size] }
        var dimensions = tensor.shape.dimensions
        dimensions[0] = dimensions[0] / experts.expertCount * kept[layer].count
        tensors[name] = Tensor(chosen, shape: Shape(dimensions))
      }
    }
    try smaller.loadWeights(tensors)
    return smaller
  }

  /// The model with the gates of all other experts at 0.
  private func masked(_ kept: [[Int]]) throws -> Decoder {
    var tensors = weights
    for layer in kept.indices {
      let name = name(of: "gate.bias", in: layer)
      var biases = weights[name]!.scalars
      for expert in biases.indices where !kept[layer].contains(expert) { biases[expert] = -1e4 }
      tensors[name] = Tensor(biases, shape: weights[name]!.shape)
    }
    var masked = model
    try masked.loadWeights(tensors)
    return masked
  }

  private func name(of part: String, in layer: Int) -> String { "blocks.\(layer).mixer.\(part)" }
}
