internal import Foundation
internal import NanoAutograd
public import NanoTensor

/// A model that can be written as, and read from, a checkpoint of the transformers library.
public protocol HuggingFaceModel: LanguageModel {
  /// `architectures[0]` of its `config.json`.
  static var architecture: String { get }

  /// The sizes that a `config.json` describes.
  /// - Throws: when it asks for something that this model does not have.
  static func configuration(
    fromHuggingFace json: [String: Any]
  ) throws(ConfigurationError) -> Configuration

  /// The contents of `config.json`.
  /// - Throws: when transformers has no such model.
  func huggingFaceConfiguration() throws(ConfigurationError) -> [String: Any]

  /// The tensors of the checkpoint that one of this model's parameters consists of, in memory order.
  func huggingFaceTensors(for parameter: String, shape: Shape) -> [HuggingFaceTensor]
}

/// A tensor of a checkpoint: a stretch of one of our parameters.
public struct HuggingFaceTensor: Hashable, Sendable {
  public let name: String
  /// As the checkpoint has it.
  public let shape: Shape
  /// Whether the checkpoint has the matrix the other way round (GPT-2's Conv1D).
  public let isTransposed: Bool

  public init(_ name: String, shape: Shape, isTransposed: Bool = false) {
    self.name = name
    self.shape = shape
    self.isTransposed = isTransposed
  }
}

extension HuggingFaceModel {
  /// All tensors under the names, and in the shapes, of transformers.
  public func huggingFaceWeights() -> [(name: String, tensor: Tensor)] {
    namedParameters.flatMap { entry -> [(name: String, tensor: Tensor)] in
      var offset = 0
      let scalars = entry.parameter.value.scalars
      return huggingFaceTensors(for: entry.name, shape: entry.parameter.value.shape).map { piece in
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

  /// A model from a checkpoint's configuration and tensors.
  /// - Throws: `ConfigurationError` or `WeightMismatch`, naming what does not fit.
  public init(huggingFace json: [String: Any], tensors: [String: Tensor]) throws {
    var generator = RandomGenerator(seed: 0)
    try self.init(try Self.configuration(fromHuggingFace: json), using: &generator)
    var unused = Set(tensors.keys)
    var weights: [String: Tensor] = [:]
    for (name, parameter) in namedParameters {
      var scalars: [Float] = []
      for piece in huggingFaceTensors(for: name, shape: parameter.value.shape) {
        let tensor = try Self.tensor(piece, in: tensors)
        unused.remove(piece.name)
        scalars += piece.isTransposed ? tensor.matrixTransposed.scalars : tensor.scalars
      }
      weights[name] = Tensor(scalars, shape: parameter.value.shape)
    }
    // What checkpoints also hold: causal masks, and the tied head once more.
    let ignored = [".attn.bias", ".attn.masked_bias", "lm_head.weight", "rotary_emb.inv_freq"]
    if let name = unused.sorted().first(where: { name in !ignored.contains { name.hasSuffix($0) } }) {
      throw WeightMismatch(description: "tensor '\(name)' belongs to no parameter of this model")
    }
    try loadWeights(weights)
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

/// Reads the values of a `config.json`.
struct HuggingFaceReader {
  let json: [String: Any]

  func integer(_ key: String, default fallback: Int? = nil) throws(ConfigurationError) -> Int {
    guard let value = json[key], !(value is NSNull) else {
      if let fallback { return fallback }
      throw ConfigurationError("config.json has no '\(key)'")
    }
    guard let number = value as? NSNumber, let exact = Int(exactly: number.doubleValue) else {
      throw ConfigurationError("'\(key)' in config.json is not a whole number")
    }
    return exact
  }

  func number(_ key: String, default fallback: Double) throws(ConfigurationError) -> Double {
    guard let value = json[key], !(value is NSNull) else { return fallback }
    guard let number = value as? NSNumber else {
      throw ConfigurationError("'\(key)' in config.json is not a number")
    }
    return number.doubleValue
  }

  func flag(_ key: String, default fallback: Bool) -> Bool {
    (json[key] as? NSNumber)?.boolValue ?? fallback
  }

  func isNull(_ key: String) -> Bool { json[key].map { $0 is NSNull } ?? true }

  /// Throws unless a setting, if there is one, has the value that this model is built for.
  func require<Value: Equatable>(
    _ key: String, _ expected: Value, as cast: (Any) -> Value?
  ) throws(ConfigurationError) {
    guard let value = json[key], !(value is NSNull) else { return }
    guard cast(value) == expected else {
      throw ConfigurationError("'\(key)' is \(value); only \(expected) can be read")
    }
  }
}
