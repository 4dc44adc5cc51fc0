import Foundation
import NanoData
import NanoTestSupport

func tokenizer() throws -> SentencePieceTokenizer {
  try SentencePieceTokenizer(model: Fixture.data("sentencepiece/tokenizer.model"))
}

func write(_ text: String, _ name: String, in folder: TemporaryFolder) throws -> String {
  try write(Data(text.utf8), name, in: folder)
}

func write(_ data: Data, _ name: String, in folder: TemporaryFolder) throws -> String {
  let path = folder.path + "/" + name
  try data.write(to: URL(fileURLWithPath: path))
  return path
}
