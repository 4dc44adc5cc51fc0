public import Foundation
internal import NanoCommunication
public import NanoData
public import NanoModels
internal import NanoTensor

/// A folder that cannot be read as a model.
public struct ModelFolderError: Error, Hashable, CustomStringConvertible {
  /// The file and what is wrong with it.
  public let description: String
}

/// A trained model on disk: `config.json` with its kind and sizes (and its characters, if those are its
/// tokens), `model.safetensors` with its weights, `tokenizer.model` for a SentencePiece model, `tokenizer.json` for one
/// of bytes.
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
    /// What an imported model's texts begin with.
    var textStart: [Int32]?
    /// The token that ends a text, where the tokenizer's file does not say.
    var endOfText: Int32?
    var data: DataRecord?
  }

  /// A model with what turns its tokens into text.
  public struct Contents: Sendable {
    /// The model with its weights.
    public let model: any LanguageModel
    /// It may have fewer tokens than the model, whose others no text contains.
    public let tokenizer: any Tokenizer
    /// What comes before a text; nil for the end of the text before it.
    public let textStart: [Int32]?
    /// What the model was trained and validated on, if that is known.
    public let data: DataRecord?

    /// A model and a tokenizer that has no token which the model lacks.
    public init(
      model: some LanguageModel, tokenizer: any Tokenizer, textStart: [Int32]? = nil, data: DataRecord? = nil
    ) {
      self.model = model
      self.tokenizer = tokenizer
      self.textStart = textStart
      self.data = data
    }
  }

  // MARK: Writing

  /// Makes the folder, in one that exists, and writes its files, each whole or not at all.
  /// - Throws: also for a tokenizer that no file format is known for.
  public static func save<Model: LanguageModel>(
    _ model: Model, tokenizer: any Tokenizer, textStart: [Int32]? = nil, data: DataRecord? = nil, to path: String
  ) throws {
    var description = Description(
      model: Model.identifier, configuration: model.configuration, textStart: textStart, data: data)
    let file: (name: String, content: Data)?
    switch tokenizer {
    case let tokenizer as CharacterTokenizer:
      description.vocabulary = tokenizer
      file = nil
    case let tokenizer as SentencePieceTokenizer: file = ("tokenizer.model", tokenizer.model)
    case let tokenizer as ByteLevelTokenizer:
      description.endOfText = tokenizer.endOfStory
      file = ("tokenizer.json", tokenizer.description)
    default:
      throw ModelFolderError(description: "\(path): no file format for a \(type(of: tokenizer))")
    }
    try save(model, description, to: path)
    if let file { try AtomicFile.write(file.content, to: path + "/" + file.name) }
  }

  /// The same for what was read from somewhere else.
  public static func save(_ contents: Contents, to path: String) throws {
    try save(
      contents.model, tokenizer: contents.tokenizer, textStart: contents.textStart, data: contents.data, to: path)
  }

  private static func save<Model: LanguageModel>(
    _ model: Model, _ description: Description<Model.Configuration>, to path: String
  ) throws {
    try OutputFolder.make(path)
    try AtomicFile.write(
      model.weights, metadata: ["model": Model.identifier], to: path + "/model.safetensors")
    try AtomicFile.write(
      JSONEncoder.readable.encode(description), to: path + "/config.json")
  }

  // MARK: Reading

  /// Reads a model back: a ``Decoder``, or one of `others`.
  ///
  /// ```swift
  /// let contents = try ModelFolder.load("run", others: [MyModel.self])
  /// ```
  /// - Parameter others: models from outside this library that the folder may hold, known by their identifiers.
  /// - Throws: when a file is missing, damaged, or does not fit the other; nothing is half-loaded.
  public static func load(
    _ path: String, others: [any LanguageModel.Type] = []
  ) throws(ModelFolderError) -> Contents {
    let kinds: [any LanguageModel.Type] = [Decoder.self] + others
    let configuration = try read(path + "/config.json")
    guard let header = try? JSONDecoder().decode(Header.self, from: configuration) else {
      throw ModelFolderError(description: "\(path)/config.json: not a model description")
    }
    guard header.format == 1 else {
      throw ModelFolderError(
        description: "\(path)/config.json: format \(header.format); this version reads format 1")
    }
    let kind: (any LanguageModel.Type)? =
      DecoderConfiguration.earlierModelNames.contains(header.model)
      ? Decoder.self : kinds.first { $0.identifier == header.model }
    guard let kind else {
      let known = kinds.map { $0.identifier }.joined(separator: ", ")
      throw ModelFolderError(
        description: "\(path)/config.json: unknown model '\(header.model)'; known: \(known)")
    }
    return try load(kind, named: header.model, path: path, description: configuration)
  }

  private static func load<Model: LanguageModel>(
    _ kind: Model.Type, named name: String, path: String, description: Data
  ) throws(ModelFolderError) -> Contents {
    let weights = try read(path + "/model.safetensors")
    do {
      let decoder = JSONDecoder()
      decoder.userInfo[DecoderConfiguration.modelName] = name
      let description = try decoder.decode(
        Description<Model.Configuration>.self, from: description)
      let tokenizer = try description.vocabulary ?? tokenizer(description.endOfText, path: path)
      let vocabularySize = description.configuration.vocabularySize
      guard
        tokenizer.vocabularySize == vocabularySize
          || tokenizer is any StoryTokenizer && tokenizer.vocabularySize < vocabularySize
      else {
        throw ModelFolderError(
          description: "\(path): the tokenizer has \(tokenizer.vocabularySize) tokens, the model "
            + "\(vocabularySize)")
      }
      guard description.textStart?.allSatisfy({ (0..<Int32(vocabularySize)).contains($0) }) ?? true else {
        throw ModelFolderError(description: "\(path)/config.json: 'textStart' has a token that is not there")
      }
      var generator = RandomGenerator(seed: 0)
      var model = try Model(description.configuration, using: &generator)
      try model.loadWeights(Safetensors.decode(weights))
      return Contents(
        model: model, tokenizer: tokenizer, textStart: description.textStart, data: description.data)
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

  /// The SentencePiece model in the folder, else the pairs of bytes.
  private static func tokenizer(
    _ endOfText: Int32?, path: String
  ) throws(ModelFolderError) -> any Tokenizer {
    if let endOfText {
      return try HuggingFaceTokenizer.byteLevel(HuggingFaceFiles(path: path), endOfText: endOfText)
    }
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

extension AtomicFile {
  /// Writes tensors as safetensors, from where they lie.
  static func write(
    _ tensors: [(name: String, tensor: Tensor)], metadata: [String: String], to path: String
  ) throws {
    let file = try AtomicFile(path)
    try file.append(Safetensors.header(of: tensors.map { ($0.name, $0.tensor.shape) }, metadata: metadata))
    for (_, tensor) in tensors {
      try tensor.withElements { try $0.withUnsafeBytes { try file.append($0) } }
    }
    try file.commit()
  }
}

extension JSONEncoder {
  /// Sorted keys, indented, slashes as they are.
  public static var readable: JSONEncoder { nonFinite([.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]) }
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
