public import NanoData
public import NanoModels
internal import NanoLayers
internal import NanoTensor
internal import NanoTraining

/// A trained dense mixture that gives up experts: in turn, each layer loses the one that the loss misses least.
///
/// An expert whose router bias is very low has a gate of exactly 0, as if it were not there; that is how candidates are
/// tried. The smaller model computes the same, since a softmax over the experts that stay is all that is left.
public struct ExpertPruning {
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
  /// Of each layer, the experts that stay.
  private var kept: [[Int]]
  public private(set) var removals: [Removal] = []
  /// Before any removal.
  public let loss: Double

  private static let parts = [
    "gate.weight", "gate.bias", "experts.expansion.weight", "experts.expansion.bias", "experts.contraction.weight",
    "experts.contraction.bias",
  ]

  /// - Parameters:
  ///   - text: removals are chosen by windows of it, spread over it all; not what the model is judged by.
  ///   - windows: how many.
  /// - Throws: for a model without a dense mixture whose routers have biases.
  public init(of model: Decoder, on text: TokenizedText, windows: Int = 256) throws {
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
  }

  /// Removes one expert from every layer, the last ones to be missed first.
  public mutating func removeOneOfEach() throws {
    for layer in kept.indices {
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
