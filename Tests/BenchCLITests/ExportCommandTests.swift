import Foundation
import NanoData
import NanoModels
import NanoTensor
import NanoTestSupport
import NanoTraining
import Testing

/// A model folder whose tokens are pairs of bytes, as an import of GPT-2 leaves it.
@Test func importedPairsOfBytesGenerateAndAreScored() throws {
  let stories = try Stories()
  let folder = stories.folder.path
  var generator = RandomGenerator(seed: 4)
  let model = try Decoder(
    .nanoGPT2(
      vocabularySize: 384, contextLength: 32, width: 16, layerCount: 1, headCount: 2), using: &generator)
  let tokenizer = try SentencePieceTokenizer(model: Fixture.data("sentencepiece/tokenizer.model"))
  // The weights of an export with another tokenizer beside them.
  try HuggingFaceFolder.export(ModelFolder.Contents(model: model, tokenizer: tokenizer), to: folder + "/hf")
  for name in ["tokenizer.model", "tokenizer.json", "tokenizer_config.json"] {
    try FileManager.default.removeItem(atPath: folder + "/hf/" + name)
  }
  try Fixture.data("byte_level/tokenizer.json").write(to: URL(fileURLWithPath: folder + "/hf/tokenizer.json"))
  try Data(#"{"eos_token": "<|endoftext|>"}"#.utf8).write(
    to: URL(fileURLWithPath: folder + "/hf/tokenizer_config.json"))
  let imported = try stories.run(["import", "--model", folder + "/hf", "--out", folder + "/model"])
  #expect(imported.status == 0, "\(imported.error)")
  #expect(imported.output.contains("note: 44 of 384 tokens have no piece in tokenizer.json"))
  #expect(imported.output.contains("note: a text ends with token 0"))
  let generated = try stories.run(
    ["generate", "--model", folder + "/model", "--prompt", "Kim", "--tokens", "8", "--seed", "2"])
  #expect(generated.status == 0 && generated.output.hasPrefix("Kim"), "\(generated.error)")
  let scored = try stories.run(["evaluate", "--model", folder + "/model", "--data", stories.data, "--json"])
  #expect(scored.status == 0, "\(scored.error)")
  let evaluation = try JSONDecoder().decode(Evaluation.self, from: Data(scored.output.utf8))
  #expect(abs(evaluation.nllPerToken - log(384)) < 0.5)
}

@Test func oneExpertIsRefusedByExport() throws {
  let stories = try Stories()
  let run = try stories.compare(
    ["--models", "nanokimik2", "--experts", "1", "--experts-per-token", "1", "--iterations", "1"], out: "run")
  #expect(run.status == 0, "\(run.error)")
  let (model, out) = (stories.folder.path + "/run/nanokimik2", stories.folder.path + "/hf")
  let result = try stories.run(["export", "--model", model, "--out", out])
  #expect(result.status == 1 && result.error.contains("groups of one expert"), "\(result.error)")
  #expect(!FileManager.default.fileExists(atPath: out))
}

@Test func ggufFilesAreWrittenAndReadBack() throws {
  let stories = try Stories()
  let run = try stories.compare(["--models", "nanogpt2", "--iterations", "1"], out: "run")
  #expect(run.status == 0, "\(run.error)")
  let folder = stories.folder.path
  let (model, out) = (folder + "/run/nanogpt2", folder + "/it's gguf")
  let exported = try stories.run(["export", "--model", model, "--format", "gguf", "--type", "q8_0", "--out", out])
  #expect(exported.status == 0, "\(exported.error)")
  #expect(
    exported.output.contains("ollama create nano-kimi -f '\(folder)/it'\\''s gguf/Modelfile'"), "\(exported.output)")
  let modelfile = try String(contentsOfFile: out + "/Modelfile", encoding: .utf8)
  #expect(modelfile.hasPrefix("FROM ./model-q8_0.gguf\n"))
  let imported = try stories.run(
    ["import", "--format", "gguf", "--model", out + "/model-q8_0.gguf", "--out", folder + "/again"])
  #expect(imported.status == 0, "\(imported.error)")
  let generated = try stories.run(
    ["generate", "--model", folder + "/again", "--prompt", "Kim", "--tokens", "4", "--seed", "2"])
  #expect(generated.status == 0 && generated.output.hasPrefix("Kim"), "\(generated.error)")
  let other = try stories.run(
    ["import", "--format", "gguf", "--model", out + "/Modelfile", "--out", folder + "/other"])
  #expect(other.status == 1 && other.error.contains("not a GGUF file"), "\(other.error)")
}

@Test func exportsHaveAModelCard() throws {
  let stories = try Stories()
  let run = try stories.compare(["--models", "nanogpt2", "--iterations", "1"], out: "run")
  #expect(run.status == 0, "\(run.error)")
  let (model, out) = (stories.folder.path + "/run/nanogpt2", stories.folder.path + "/hf")
  let exported = try stories.run(["export", "--model", model, "--out", out, "--untied"])
  #expect(exported.status == 0, "\(exported.error)")
  let card = try String(contentsOfFile: out + "/README.md", encoding: .utf8)
  #expect(card.contains("# NanoGPT2") && card.contains("| steps of training | 1 |"), "\(card)")
  #expect(card.contains("SHA-256 of what trained") && !card.contains(stories.folder.path), "\(card)")
}

@Test(arguments: [
  (["--type", "f16"], "--type is of --format gguf alone"),
  (["--format", "gguf", "--type", "q4_0"], "unknown type 'q4_0'"),
  (["--format", "gguf", "--untied"], "--untied is of --format huggingface alone"),
])
func flagsOfOtherFormatsAreRefused(flags: [String], message: String) throws {
  let stories = try Stories()
  let result = try stories.run(["export", "--out", stories.folder.path + "/out"] + flags)
  #expect(result.status != 0 && result.error.contains(message), "\(result.error)")
}
