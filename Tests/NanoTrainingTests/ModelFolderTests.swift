import Foundation
import ModelsTestSupport
import NanoAutograd
import NanoData
import NanoLayers
import NanoModels
import NanoTensor
import NanoTestSupport
import Testing

@testable import NanoTraining

@Test func foldersRoundTripAndDamageIsNamed() throws {
  let folder = try TemporaryFolder()
  let model = try goldenModel(.nanoKimi)
  let tokenizer = CharacterTokenizer(vocabularyOf: "abcdefghijklm")
  try ModelFolder.save(model, tokenizer: tokenizer, to: folder.path)
  let contents = try ModelFolder.load(folder.path)
  #expect(contents.tokenizer as? CharacterTokenizer == tokenizer)
  #expect(contents.model.weights.map(\.tensor.scalars) == model.weights.map(\.tensor.scalars))

  let weights = URL(fileURLWithPath: folder.path + "/model.safetensors")
  let whole = try Data(contentsOf: weights)
  try whole.dropLast(100).write(to: weights)
  #expect { try ModelFolder.load(folder.path) } throws: { "\($0)".contains("model.safetensors") }
  try whole.write(to: weights)
  try Data(#"{"format":1,"model":"gpt9"}"#.utf8).write(
    to: URL(fileURLWithPath: folder.path + "/config.json"))
  #expect { try ModelFolder.load(folder.path) } throws: { "\($0)".contains("unknown model 'gpt9'") }
  #expect(throws: ModelFolderError.self) { try ModelFolder.load(folder.path + "/none") }
}

/// A model that no library knows: one table of logits.
private struct Bigrams: LanguageModel {
  struct Configuration: ModelConfiguration {
    var vocabularySize: Int
    var contextLength: Int { 8 }
    func validate() throws(ConfigurationError) {}
  }

  static let (identifier, displayName) = ("bigrams", "Bigrams")
  let configuration: Configuration
  var table: Embedding

  init(_ configuration: Configuration, using generator: inout RandomGenerator) throws(ConfigurationError) {
    self.configuration = configuration
    table = Embedding(count: configuration.vocabularySize, width: configuration.vocabularySize, using: &generator)
  }

  func logits(for tokens: [Int32], in context: ForwardContext) -> Variable { table(tokens, in: context) }

  mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) { try table.visitParameters(name, visit) }
}

@Test func modelsFromOutsideAreReadWhereTheyAreKnown() throws {
  let folder = try TemporaryFolder()
  let tokenizer = CharacterTokenizer(vocabularyOf: "abc")
  var generator = RandomGenerator(seed: 1)
  let model = try Bigrams(.init(vocabularySize: 3), using: &generator)
  try ModelFolder.save(model, tokenizer: tokenizer, to: folder.path)
  let read = try ModelFolder.load(folder.path, others: [Bigrams.self]).model
  #expect((read as? Bigrams)?.table.table.value == model.table.table.value)
  #expect { try ModelFolder.load(folder.path) } throws: { "\($0)".contains("unknown model 'bigrams'") }
}
