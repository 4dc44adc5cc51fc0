internal import Foundation
internal import NanoData
internal import NanoModels
internal import NanoTensor

/// Models in one file, as llama.cpp and what is built on it read them.
public enum GGUFModel {
  private static let architectures: [any GGUFArchitecture.Type] = [GGUFGPT2.self, GGUFDeepSeek2.self]

  // MARK: Writing

  /// Writes a model with its tokenizer, and the `Modelfile` that ollama makes a model of its own from, to a folder.
  /// - Returns: the names of the files.
  /// - Throws: when llama.cpp has no such model, naming what it does not have; when a weight is too large for the type;
  ///   or when a file cannot be written.
  @discardableResult
  public static func export(
    _ contents: ModelFolder.Contents, as type: GGUFTensorType, to folder: String
  ) throws -> [String] {
    let name = "model-\(type.rawValue).gguf"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try write(contents, as: type, to: folder + "/" + name)
    // What is typed is the beginning of a story, not a message of a chat.
    let modelfile = """
      FROM ./\(name)
      TEMPLATE "{{ .Prompt }}"
      PARAMETER num_ctx \(contents.model.configuration.contextLength)

      """
    try AtomicFile.write(Data(modelfile.utf8), to: folder + "/Modelfile")
    return [name, "Modelfile"]
  }

  private static func write(_ contents: ModelFolder.Contents, as type: GGUFTensorType, to path: String) throws {
    guard let model = contents.model as? Decoder else {
      throw ModelFolderError(
        description: "\(Swift.type(of: contents.model).displayName) has no counterpart in llama.cpp")
    }
    let configuration = model.configuration
    let architecture: any GGUFArchitecture.Type =
      configuration.latent == nil ? GGUFGPT2.self : GGUFDeepSeek2.self
    let tokenizer = try GGUFTokenizer.metadata(
      of: contents.tokenizer, textStart: contents.textStart, count: configuration.vocabularySize)
    var metadata: [(key: String, value: GGUFValue)] = [
      ("general.architecture", .string(architecture.name)), ("general.type", .string("model")),
      ("general.name", .string("nano-kimi")), ("general.file_type", .integer(type.fileType)),
      ("general.quantization_version", .integer(2)),
    ]
    metadata += try architecture.metadata(of: model).map { ("\(architecture.name).\($0.key)", $0.value) }
    metadata += tokenizer
    let weights = model.weights
    let tensors = weights.map { architecture.tensors(for: $0.name, shape: $0.tensor.shape, of: configuration) }
    let file = try AtomicFile(path)
    try file.append(
      GGUFFile.header(
        metadata: metadata, tensors: tensors.joined().map { ($0.name, $0.shape, $0.type(inFileOf: type)) }))
    for (weight, tensors) in zip(weights, tensors) {
      let parameter = weight.tensor.scalars
      for tensor in tensors {
        let numbers = tensor.elements(of: parameter)
        let own = tensor.type(inFileOf: type)
        let largest = numbers.reduce(0) { max($0, $1.magnitude) }
        guard own.canHold(largest) else {
          throw ModelFolderError(
            description: "'\(tensor.name)' has a number of magnitude \(largest), too large for \(own.rawValue); "
              + "export as f32 instead")
        }
        let bytes = own.encode(numbers)
        try file.append(bytes)
        try file.append(GGUFFile.padding(after: bytes.count))
      }
    }
    try file.commit()
  }

  // MARK: Reading

  /// Reads a `.gguf` file that ``export(_:as:to:)`` has written.
  /// - Throws: when the file is damaged, or the model is one that we do not have.
  public static func load(_ path: String) throws(ModelFolderError) -> ModelFolder.Contents {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe) else {
      throw ModelFolderError(description: "\(path): no such file, or not readable")
    }
    do {
      return try contents(of: try GGUFFile(data))
    } catch {
      throw ModelFolderError(description: "\(path): \(error)")
    }
  }

  static func contents(of file: GGUFFile) throws -> ModelFolder.Contents {
    var general = file.settings(under: "general.")
    let name = try general.text("architecture", oneOf: architectures.map { $0.name })
    guard let architecture = architectures.first(where: { $0.name == name }) else {
      fatalError("GGUFModel: no architecture \(name)")
    }
    let (tokenizer, textStart, vocabularySize) = try GGUFTokenizer.read(file)
    var settings = file.settings(under: name + ".")
    let configuration = try architecture.configuration(
      &settings, vocabularySize: vocabularySize,
      head: file.shape(of: "output.weight") == nil ? .tied : .own(hasBias: false))
    try settings.finish()
    try configuration.validate()
    guard configuration.parameterCount <= file.elementCount else {
      throw ConfigurationError(
        "the model has \(configuration.parameterCount) weights, the file's tensors \(file.elementCount)")
    }
    var generator = RandomGenerator(seed: 0)
    var model = try Decoder(configuration, using: &generator)
    try model.loadWeights(weights(of: model, in: file, architecture))
    return ModelFolder.Contents(model: model, tokenizer: tokenizer, textStart: textStart)
  }

  private static func weights(
    of model: Decoder, in file: GGUFFile, _ architecture: any GGUFArchitecture.Type
  ) throws(WeightMismatch) -> [String: Tensor] {
    var unused = Set(file.names)
    var weights: [String: Tensor] = [:]
    for (name, weight) in model.weights {
      var parameter = [Float](repeating: 0, count: weight.elementCount)
      for tensor in architecture.tensors(for: name, shape: weight.shape, of: model.configuration) {
        guard let shape = file.shape(of: tensor.name) else {
          throw WeightMismatch(description: "tensor '\(tensor.name)' is missing")
        }
        guard shape == tensor.shape else {
          throw WeightMismatch(
            description: "tensor '\(tensor.name)' has extents \(shape), the model needs \(tensor.shape)")
        }
        unused.remove(tensor.name)
        tensor.copy(file.elements(of: tensor.name), into: &parameter)
      }
      weights[name] = Tensor(parameter, shape: weight.shape)
    }
    if let name = unused.min() {
      throw WeightMismatch(description: "tensor '\(name)' belongs to no part of this model")
    }
    return weights
  }
}
