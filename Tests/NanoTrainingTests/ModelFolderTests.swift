import Foundation
import NanoData
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
