import Foundation
import NanoData
import NanoTestSupport

/// That of the fixtures.
func tokenizer() throws -> SentencePieceTokenizer {
  try SentencePieceTokenizer(model: Fixture.data("sentencepiece/tokenizer.model"))
}

/// Writes a file into a folder and returns its path.
func write(_ text: String, _ name: String, in folder: TemporaryFolder) throws -> String {
  try write(Data(text.utf8), name, in: folder)
}

func write(_ data: Data, _ name: String, in folder: TemporaryFolder) throws -> String {
  let path = folder.path + "/" + name
  try data.write(to: URL(fileURLWithPath: path))
  return path
}
