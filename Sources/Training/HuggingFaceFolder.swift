internal import Foundation
internal import NanoData
internal import NanoModels
internal import NanoTensor

/// Checkpoints of the transformers library: `config.json`, `model.safetensors`, and for SentencePiece
/// `tokenizer.model` with its configuration.
public enum HuggingFaceFolder {
  private static let kinds: [any HuggingFaceModel.Type] = [NanoGPT2.self, NanoKimiK2.self]

  /// Writes a model so that `AutoModelForCausalLM` and `AutoTokenizer` load it.
  /// - Throws: when transformers has no such model, or a file cannot be written.
  public static func export(_ contents: ModelFolder.Contents, to path: String) throws {
    guard let model = contents.model as? any HuggingFaceModel else {
      throw ModelFolderError(
        description: "\(type(of: contents.model).displayName) of characters has no counterpart in "
          + "transformers; models of the stories study have")
    }
    guard let tokenizer = contents.tokenizer as? SentencePieceTokenizer else {
      throw ModelFolderError(description: "only models with a SentencePiece tokenizer are exported")
    }
    var configuration = try model.huggingFaceConfiguration()
    configuration["eos_token_id"] = Int(tokenizer.endOfStory)
    configuration["bos_token_id"] = Int(tokenizer.endOfStory)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try AtomicFile.write(
      Safetensors.encode(model.huggingFaceWeights(), metadata: ["format": "pt"]),
      to: path + "/model.safetensors")
    try write(configuration, to: path + "/config.json")
    try AtomicFile.write(tokenizer.model, to: path + "/tokenizer.model")
    try write(
      [
        "tokenizer_class": "LlamaTokenizer", "legacy": false, "add_prefix_space": false,
        "add_bos_token": false, "add_eos_token": false, "clean_up_tokenization_spaces": false,
        "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>",
        "model_max_length": model.configuration.contextLength,
      ], to: path + "/tokenizer_config.json")
  }

  private static func write(_ object: [String: Any], to path: String) throws {
    try AtomicFile.write(
      JSONSerialization.data(
        withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]),
      to: path)
  }

  /// Reads such a folder.
  /// - Throws: when a file is missing or damaged, or the model is one that we do not have.
  public static func load(_ path: String) throws(ModelFolderError) -> ModelFolder.Contents {
    func problem(_ file: String, _ text: String) -> ModelFolderError {
      ModelFolderError(description: "\(path)/\(file): \(text)")
    }
    func read(_ file: String) throws(ModelFolderError) -> Data {
      guard let data = FileManager.default.contents(atPath: path + "/" + file) else {
        throw problem(file, "no such file, or not readable")
      }
      return data
    }
    let text = try read("config.json")
    guard let json = try? JSONSerialization.jsonObject(with: text) as? [String: Any] else {
      throw problem("config.json", "not a JSON object")
    }
    let architecture = (json["architectures"] as? [String])?.first ?? "none"
    guard let kind = kinds.first(where: { $0.architecture == architecture }) else {
      let known = kinds.map { $0.architecture }.joined(separator: ", ")
      throw problem("config.json", "the architecture is \(architecture); known: \(known)")
    }
    let tokenizer: SentencePieceTokenizer
    do {
      tokenizer = try SentencePieceTokenizer(model: try read("tokenizer.model"))
    } catch let error as ModelFolderError {
      throw error
    } catch {
      throw problem("tokenizer.model", "\(error)")
    }
    do {
      let tensors = try Safetensors.decode(try read("model.safetensors"))
      let model = try load(kind, json, tensors)
      guard model.configuration.vocabularySize == tokenizer.vocabularySize else {
        throw problem(
          "tokenizer.model",
          "\(tokenizer.vocabularySize) pieces, the model has "
            + "\(model.configuration.vocabularySize) tokens")
      }
      return ModelFolder.Contents(model: model, tokenizer: tokenizer)
    } catch let error as ModelFolderError {
      throw error
    } catch let error as ConfigurationError {
      throw problem("config.json", "\(error)")
    } catch {
      throw problem("model.safetensors", "\(error)")
    }
  }

  private static func load<Model: HuggingFaceModel>(
    _ kind: Model.Type, _ json: [String: Any], _ tensors: [String: Tensor]
  ) throws -> any LanguageModel {
    try Model(huggingFace: json, tensors: tensors)
  }
}
