public import Foundation
public import NanoData
public import NanoModels
internal import NanoTensor

/// A folder that cannot be read as a model.
public struct ModelFolderError: Error, Hashable, CustomStringConvertible {
  public let description: String
}

/// A trained model on disk: `config.json` with its kind and sizes (and its characters, if those are its
/// tokens), `model.safetensors` with its weights, `tokenizer.model` for a SentencePiece model.
public enum ModelFolder {
  private struct Header: Codable {
    var format: Int
    var model: String
  }

  private struct Description<Configuration: ModelConfiguration>: Codable {
    var format = 1
    var model: String
    var configuration: Configuration
    var vocabulary: CharacterTokenizer?
  }

  /// A model with what turns its tokens into text.
  public struct Contents: Sendable {
    public let model: any LanguageModel
    public let tokenizer: any Tokenizer

    public init(model: some LanguageModel, tokenizer: any Tokenizer) {
      self.model = model
      self.tokenizer = tokenizer
    }
  }

  private static let kinds: [any LanguageModel.Type] = [
    NanoGPT.self, NanoKimi.self, NanoGPT2.self, NanoKimiK2.self,
  ]

  // MARK: Writing

  /// Makes the folder and writes its files, each whole or not at all.
  public static func save<Model: LanguageModel>(
    _ model: Model, tokenizer: CharacterTokenizer, to path: String
  ) throws {
    try save(model, vocabulary: tokenizer, to: path)
  }

  /// The same for a model whose tokens are SentencePiece's.
  public static func save<Model: LanguageModel>(
    _ model: Model, tokenizer: SentencePieceTokenizer, to path: String
  ) throws {
    try save(model, vocabulary: nil, to: path)
    try AtomicFile.write(tokenizer.model, to: path + "/tokenizer.model")
  }

  /// The same for what was read from somewhere else.
  public static func save(_ contents: Contents, to path: String) throws {
    switch contents.tokenizer {
    case let tokenizer as CharacterTokenizer:
      try save(contents.model, tokenizer: tokenizer, to: path)
    case let tokenizer as SentencePieceTokenizer:
      try save(contents.model, tokenizer: tokenizer, to: path)
    default:
      fatalError("ModelFolder: no file format for \(type(of: contents.tokenizer))")
    }
  }

  private static func save<Model: LanguageModel>(
    _ model: Model, vocabulary: CharacterTokenizer?, to path: String
  ) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let description = Description(
      model: Model.identifier, configuration: model.configuration, vocabulary: vocabulary)
    try AtomicFile.write(
      Safetensors.encode(model.weights, metadata: ["model": Model.identifier]),
      to: path + "/model.safetensors")
    try AtomicFile.write(
      JSONEncoder.readable.encode(description), to: path + "/config.json")
  }

  // MARK: Reading

  /// Reads a model back.
  /// - Throws: when a file is missing, damaged, or does not fit the other; nothing is half-loaded.
  public static func load(_ path: String) throws(ModelFolderError) -> Contents {
    let configuration = try read(path + "/config.json")
    guard let header = try? JSONDecoder().decode(Header.self, from: configuration) else {
      throw ModelFolderError(description: "\(path)/config.json: not a model description")
    }
    guard header.format == 1 else {
      throw ModelFolderError(
        description: "\(path)/config.json: format \(header.format); this version reads format 1")
    }
    guard let kind = kinds.first(where: { $0.identifier == header.model }) else {
      let known = kinds.map { $0.identifier }.joined(separator: ", ")
      throw ModelFolderError(
        description: "\(path)/config.json: unknown model '\(header.model)'; known: \(known)")
    }
    return try load(kind, path: path, description: configuration)
  }

  private static func load<Model: LanguageModel>(
    _ kind: Model.Type, path: String, description: Data
  ) throws(ModelFolderError) -> Contents {
    let weights = try read(path + "/model.safetensors")
    do {
      let description = try JSONDecoder().decode(
        Description<Model.Configuration>.self, from: description)
      let tokenizer = try tokenizer(description.vocabulary, path: path)
      guard tokenizer.vocabularySize == description.configuration.vocabularySize else {
        throw ModelFolderError(
          description: "\(path): the tokenizer has \(tokenizer.vocabularySize) tokens, the model "
            + "\(description.configuration.vocabularySize)")
      }
      var generator = RandomGenerator(seed: 0)
      var model = try Model(description.configuration, using: &generator)
      try model.loadWeights(Safetensors.decode(weights))
      return Contents(model: model, tokenizer: tokenizer)
    } catch let error as ModelFolderError {
      throw error
    } catch let error as DecodingError {
      throw ModelFolderError(description: "\(path)/config.json: \(error.summary)")
    } catch let error as ConfigurationError {
      throw ModelFolderError(description: "\(path)/config.json: \(error)")
    } catch {
      throw ModelFolderError(description: "\(path)/model.safetensors: \(error)")
    }
  }

  /// The characters of the description, else the SentencePiece model beside it.
  private static func tokenizer(
    _ vocabulary: CharacterTokenizer?, path: String
  ) throws(ModelFolderError) -> any Tokenizer {
    if let vocabulary { return vocabulary }
    do {
      return try SentencePieceTokenizer(model: try read(path + "/tokenizer.model"))
    } catch let error as ModelFolderError {
      throw error
    } catch {
      throw ModelFolderError(description: "\(path)/tokenizer.model: \(error)")
    }
  }

  private static func read(_ path: String) throws(ModelFolderError) -> Data {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
      throw ModelFolderError(description: "\(path): no such file, or not readable")
    }
    return data
  }
}

extension JSONEncoder {
  /// Sorted keys, indented, slashes as they are.
  public static var readable: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return encoder
  }
}

extension DecodingError {
  /// One line: what is wrong at which key.
  public var summary: String {
    let (context, problem): (Context, String) =
      switch self {
      case .keyNotFound(let key, let context): (context, "the key '\(key.stringValue)' is missing")
      case .typeMismatch(_, let context): (context, "a value has the wrong type")
      case .valueNotFound(_, let context): (context, "a value is null")
      case .dataCorrupted(let context): (context, context.debugDescription)
      @unknown default: (Context(codingPath: [], debugDescription: ""), "not the expected form")
      }
    let path = context.codingPath.map(\.stringValue).joined(separator: ".")
    return path.isEmpty ? problem : "\(problem) at '\(path)'"
  }
}
