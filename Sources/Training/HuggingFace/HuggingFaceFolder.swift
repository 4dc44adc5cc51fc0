internal import Foundation
internal import NanoData
internal import NanoModels
internal import NanoTensor

/// Checkpoints of the transformers library: `config.json`, `model.safetensors` (or its parts), and the tokenizer.
public enum HuggingFaceFolder {
  // MARK: Writing

  /// Writes a model so that `AutoModelForCausalLM` and `AutoTokenizer` load it.
  /// - Parameter untied: whether a head that is the token embedding is written as a matrix of its own too, for programs
  ///   that know no tied heads.
  /// - Returns: the names of the files.
  /// - Throws: when transformers has no such model, or a file cannot be written.
  @discardableResult
  public static func export(
    _ contents: ModelFolder.Contents, to path: String, untied: Bool = false
  ) throws -> [String] {
    guard let tokenizer = contents.tokenizer as? any StoryTokenizer else {
      throw ModelFolderError(
        description: "models of characters have no counterpart in transformers; models of the stories study have")
    }
    guard var model = contents.model as? Decoder else {
      throw ModelFolderError(description: "\(type(of: contents.model).displayName) has no counterpart in transformers")
    }
    if untied { model = try model.untied() }
    var configuration = try model.huggingFaceConfiguration()
    let end = Int(tokenizer.endOfStory)
    // Texts of a batch are filled up with what ends them; no token stands for nothing.
    let generation = [
      "bos_token_id": contents.textStart?.first.map(Int.init) ?? end, "eos_token_id": end, "pad_token_id": end,
    ]
    configuration["eos_token_id"] = end
    configuration["bos_token_id"] = generation["bos_token_id"]
    let files = try HuggingFaceTokenizer.files(
      for: tokenizer, textStart: contents.textStart, contextLength: model.configuration.contextLength)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try AtomicFile.write(
      Safetensors.encode(model.huggingFaceWeights(), metadata: ["format": "pt"]),
      to: path + "/model.safetensors")
    try AtomicFile.write(try json(configuration), to: path + "/config.json")
    try AtomicFile.write(try json(generation), to: path + "/generation_config.json")
    for (name, data) in files { try AtomicFile.write(data, to: path + "/" + name) }
    return ["config.json", "generation_config.json", "model.safetensors"] + files.map(\.name)
  }

  static func json(_ object: [String: Any]) throws -> Data {
    try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
  }

  // MARK: Reading

  /// What was read, and what one should know of it.
  public struct Imported: Sendable {
    /// The model and its tokenizer.
    public let contents: ModelFolder.Contents
    /// A line for each thing that is not as the folder has it, or not as one may expect.
    public let notes: [String]
  }

  /// Reads such a folder.
  /// - Throws: when a file is missing or damaged, or the model is one that we do not have.
  public static func load(_ path: String) throws(ModelFolderError) -> Imported {
    let folder = HuggingFaceFiles(path: path)
    var json = try folder.object("config.json")
    let generation = try folder.objectIfThere("generation_config.json")
    // What transformers goes by when it writes text, where both say something.
    if let end = generation["eos_token_id"], end != .null { json = json.setting("eos_token_id", to: end) }
    let description: HuggingFaceDescription
    do {
      description = try HuggingFaceDescription(json)
    } catch {
      throw folder.problem("config.json", "\(error)")
    }
    let tokenizer = try HuggingFaceTokenizer(folder, endsOfText: description.endsOfText)
    let vocabularySize = description.configuration.vocabularySize
    guard tokenizer.tokenizer.vocabularySize <= vocabularySize else {
      throw folder.problem(
        tokenizer.file,
        "\(tokenizer.tokenizer.vocabularySize) pieces, the model has only \(vocabularySize) tokens")
    }
    let weights = try HuggingFaceWeights(folder: folder)
    let tensors = try weights.tensors(in: folder, leavingOut: description.leavesOut)
    let model: Decoder
    do {
      model = try Decoder(huggingFace: description, tensors: tensors)
    } catch {
      throw folder.problem("model.safetensors", "\(error)")
    }
    let contents = ModelFolder.Contents(
      model: model, tokenizer: tokenizer.tokenizer, textStart: tokenizer.textStart)
    var notes: [String] = []
    let padding = vocabularySize - tokenizer.tokenizer.vocabularySize
    if padding > 0 {
      notes.append(
        "\(padding) of \(vocabularySize) tokens have no piece in \(tokenizer.file): kept, so that likelihoods stay "
          + "what they are, and never written")
    }
    if weights.names.contains(where: description.predictsFurther) {
      notes.append(
        "layers from \(description.nextTokenLayers.lowerBound) on, which predict further tokens, are left out "
          + "(num_nextn_predict_layers is \(description.nextTokenLayers.count))")
    }
    let end = Int(tokenizer.tokenizer.endOfStory)
    if !description.endsOfText.isEmpty, !description.endsOfText.contains(end) {
      let named = description.endsOfText.map(String.init).joined(separator: ", ")
      notes.append("a text ends with token \(end) of \(tokenizer.file), not with eos_token_id \(named)")
    }
    return Imported(contents: contents, notes: notes + Self.notes(onDrawing: generation))
  }

  /// How transformers would draw tokens, if not greedily: a model folder here does not keep it.
  private static func notes(onDrawing generation: JSONObject) -> [String] {
    guard generation["do_sample"] == .boolean(true) else { return [] }
    let settings = ["temperature", "top_k", "top_p", "min_p", "repetition_penalty"].compactMap { key in
      generation[key].map { "\(key) \($0.summary)" }
    }
    return [
      "generation_config.json: transformers draws tokens with \(settings.joined(separator: ", ")); that is not kept, "
        + "so give it when you generate"
    ]
  }
}
