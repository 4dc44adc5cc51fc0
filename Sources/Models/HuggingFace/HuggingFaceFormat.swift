internal import Foundation
internal import NanoAutograd
package import NanoTensor

/// A class of the transformers library that some decoders are, with its names for sizes and tensors.
protocol HuggingFaceFormat: Sendable {
  /// The classes of transformers, the one that exports name first: `architectures` of a `config.json`.
  static var architectures: [String] { get }

  /// What `model_type` says, for a `config.json` without `architectures`.
  static var modelTypes: [String] { get }

  /// What the names of all tensors but the head's begin with, unless the checkpoint is of the model without head.
  static var tensorPrefix: String { get }

  /// What a `config.json` describes.
  /// - Throws: when it asks for something that decoders do not have, or that is not known here.
  static func description(
    of json: JSONObject
  ) throws(ConfigurationError) -> HuggingFaceDescription

  /// Whether a tensor, its name without ``tensorPrefix``, holds what the model knows without it.
  static func isBuffer(_ name: Substring) -> Bool

  /// The contents of `config.json`.
  /// - Throws: when this class is no such decoder.
  static func json(of configuration: DecoderConfiguration) throws(ConfigurationError) -> [String: Any]

  /// The tensors of the checkpoint that one parameter of a decoder consists of, in memory order.
  static func tensors(
    for parameter: String, shape: Shape, of configuration: DecoderConfiguration
  ) -> [HuggingFaceTensor]
}

/// What a `config.json` of transformers says of a model and its checkpoint.
package struct HuggingFaceDescription: Sendable {
  package let configuration: DecoderConfiguration
  /// Tokens that end a text, `eos_token_id`.
  package let endsOfText: [Int]
  /// Layers behind the last that predict further tokens; the checkpoint may hold them, the model leaves them out.
  package private(set) var nextTokenLayers: Range<Int>
  /// Rows and columns that share one scale, where weights are 8-bit floats.
  var scaleBlock: HuggingFaceScaleBlock?
  let format: any HuggingFaceFormat.Type

  init(
    _ configuration: DecoderConfiguration, _ format: any HuggingFaceFormat.Type, endsOfText: [Int],
    nextTokenLayers: Range<Int> = 0..<0, scaleBlock: HuggingFaceScaleBlock? = nil
  ) {
    self.configuration = configuration
    self.format = format
    self.endsOfText = endsOfText
    self.nextTokenLayers = nextTokenLayers
    self.scaleBlock = scaleBlock
  }

  /// What a `config.json` describes, by the class that `architectures` names, or else by `model_type`.
  /// - Throws: for a class that is not known here, and for what decoders do not have or this reader does not know.
  package init(_ json: JSONObject) throws(ConfigurationError) {
    let formats: [any HuggingFaceFormat.Type] = [GPT2Format.self, DeepSeekV3Format.self]
    var (name, type) = ("none", "none")
    if case .array(let names)? = json["architectures"], case .string(let first)? = names.first { name = first }
    if case .string(let text)? = json["model_type"] { type = text }
    guard
      let format = formats.first(where: {
        name == "none" ? $0.modelTypes.contains(type) : $0.architectures.contains(name)
      })
    else {
      let known = formats.flatMap { $0.architectures }.joined(separator: ", ")
      throw ConfigurationError("'architectures' names \(name == "none" ? type : name); known: \(known)")
    }
    self = try format.description(of: json)
  }

  /// Whether the model does without a tensor of the checkpoint.
  package func leavesOut(_ name: String) -> Bool {
    predictsFurther(name) || format.isBuffer(bare(name))
  }

  /// Whether a tensor belongs to a layer behind the last.
  package func predictsFurther(_ name: String) -> Bool {
    let parts = bare(name).split(separator: ".", maxSplits: 2)
    return parts.count == 3 && parts[0] == "layers" && Int(parts[1]).map(nextTokenLayers.contains) == true
  }

  private func bare(_ name: String) -> Substring {
    name.hasPrefix(format.tensorPrefix) ? name.dropFirst(format.tensorPrefix.count) : name[...]
  }
}

/// A tensor of a checkpoint: a stretch of one of our parameters.
struct HuggingFaceTensor: Hashable, Sendable {
  let name: String
  /// As the checkpoint has it.
  let shape: Shape
  /// Whether the checkpoint has the matrix the other way round (GPT-2's Conv1D).
  let isTransposed: Bool

  init(_ name: String, shape: Shape, isTransposed: Bool = false) {
    self.name = name
    self.shape = shape
    self.isTransposed = isTransposed
  }
}

extension Decoder {
  /// The format that has its kind of attention.
  private var huggingFaceFormat: any HuggingFaceFormat.Type {
    configuration.latent == nil ? GPT2Format.self : DeepSeekV3Format.self
  }

  /// The contents of the `config.json` that transformers reads.
  /// - Throws: when transformers has no such model, naming what it does not have.
  package func huggingFaceConfiguration() throws(ConfigurationError) -> [String: Any] {
    try huggingFaceFormat.json(of: configuration)
  }

  /// All tensors under the names, and in the shapes, of transformers.
  /// - Precondition: ``huggingFaceConfiguration()`` does not throw.
  package func huggingFaceWeights() -> [(name: String, tensor: Tensor)] {
    namedParameters.flatMap { entry -> [(name: String, tensor: Tensor)] in
      var offset = 0
      let value = entry.parameter.value
      let scalars = value.scalars
      return huggingFaceFormat.tensors(for: entry.name, shape: value.shape, of: configuration).map { piece in
        let count = piece.shape.elementCount
        let part = Array(scalars[offset..<offset + count])
        offset += count
        let tensor =
          piece.isTransposed
          ? Tensor(part, shape: piece.shape.swapped).matrixTransposed
          : Tensor(part, shape: piece.shape)
        return (piece.name, tensor)
      }
    }
  }

  /// The same model with a head of its own, whose weights are those of the token embedding that was the head.
  package func untied() throws -> Decoder {
    guard configuration.head == .tied else { return self }
    var configuration = configuration
    configuration.head = .own(hasBias: false)
    var generator = RandomGenerator(seed: 0)
    var result = try Decoder(configuration, using: &generator)
    var tensors = Dictionary(uniqueKeysWithValues: weights.map { ($0.name, $0.tensor) })
    tensors["head.weight"] = tensors["token_embedding.weight"]
    try result.loadWeights(tensors)
    return result
  }

  /// A model from a checkpoint's description and tensors.
  /// - Throws: `ConfigurationError` or `WeightMismatch`, naming what does not fit.
  package init(huggingFace description: HuggingFaceDescription, tensors: [String: Tensor]) throws {
    var generator = RandomGenerator(seed: 0)
    try self.init(description.configuration, using: &generator)
    var tensors = Self.prefixed(tensors, description.format.tensorPrefix)
    if let block = description.scaleBlock { try block.applyScales(to: &tensors) }
    var unused = Set(tensors.keys)
    var weights: [String: Tensor] = [:]
    for (name, parameter) in namedParameters {
      var scalars: [Float] = []
      for piece in description.format.tensors(for: name, shape: parameter.value.shape, of: configuration) {
        let tensor = try Self.tensor(piece, in: tensors)
        unused.remove(piece.name)
        scalars += piece.isTransposed ? tensor.matrixTransposed.scalars : tensor.scalars
      }
      weights[name] = Tensor(scalars, shape: parameter.value.shape)
    }
    if let head = tensors[Self.headName], unused.remove(Self.headName) != nil {
      try Self.requireTied(head, to: weights["token_embedding.weight"])
    }
    // A network of width 0 has tensors without elements.
    let other = unused.filter { !description.leavesOut($0) && tensors[$0]?.elementCount != 0 }
    if let name = other.min() {
      throw WeightMismatch(description: "tensor '\(name)' belongs to no parameter of this model")
    }
    try loadWeights(weights)
  }

  private static var headName: String { "lm_head.weight" }

  /// The tensors under the names that the model with a head has for them.
  private static func prefixed(_ tensors: [String: Tensor], _ prefix: String) -> [String: Tensor] {
    guard !tensors.keys.contains(where: { $0.hasPrefix(prefix) }) else { return tensors }
    return Dictionary(
      uniqueKeysWithValues: tensors.map { ($0 == headName ? $0 : prefix + $0, $1) })
  }

  /// Throws unless a stored head that the configuration ties to the embedding is equal to it: of one that differs,
  /// transformers 4 takes the embedding, transformers 5 the stored one.
  private static func requireTied(
    _ head: Tensor, to embedding: Tensor?
  ) throws(WeightMismatch) {
    guard head.shape == embedding?.shape, head.scalars == embedding?.scalars else {
      throw WeightMismatch(
        description: "tensor '\(headName)' differs from the token embedding, to which "
          + "'tie_word_embeddings' ties it; remove one of the two")
    }
  }

  private static func tensor(
    _ piece: HuggingFaceTensor, in tensors: [String: Tensor]
  ) throws(WeightMismatch) -> Tensor {
    guard let tensor = tensors[piece.name] else {
      throw WeightMismatch(description: "tensor '\(piece.name)' is missing")
    }
    guard tensor.shape == piece.shape else {
      throw WeightMismatch(
        description: "tensor '\(piece.name)' has shape \(tensor.shape), the model needs \(piece.shape)"
      )
    }
    guard tensor.scalars.allSatisfy(\.isFinite) else {
      throw WeightMismatch(description: "tensor '\(piece.name)' has elements that are not finite")
    }
    return tensor
  }
}

extension Tensor {
  /// A matrix the other way round.
  fileprivate var matrixTransposed: Tensor {
    let (rows, columns) = (shape[0], shape[1])
    let source = scalars
    return Tensor(
      (0..<rows * columns).map { source[$0 % rows * columns + $0 / rows] }, shape: [columns, rows])
  }
}

extension Shape {
  fileprivate var swapped: Shape { [self[1], self[0]] }
}
