import Foundation
import NanoAutograd
import NanoData
import NanoLayers
import NanoModels
import NanoTensor
import NanoTestSupport
import Testing

@testable import NanoTraining

private func tokenizer() throws -> SentencePieceTokenizer {
  try SentencePieceTokenizer(model: Fixture.data("sentencepiece/tokenizer.model"))
}

private func kimiForExport(vocabularySize: Int = 420) throws -> Decoder {
  var generator = RandomGenerator(seed: 5)
  var configuration = DecoderConfiguration.nanoKimiK2(size: .tiny, vocabularySize: vocabularySize, contextLength: 16)
  configuration.layerCount = 2
  return try Decoder(configuration, using: &generator)
}

private func gptForExport(vocabularySize: Int = 420) throws -> Decoder {
  var generator = RandomGenerator(seed: 6)
  return try Decoder(
    .nanoGPT2(
      vocabularySize: vocabularySize, contextLength: 16, width: 16, layerCount: 1, headCount: 2), using: &generator)
}

/// A folder with an exported model, for tests to change.
private struct ExportedFolder {
  private let owner: TemporaryFolder
  let path: String

  init(_ model: some LanguageModel) throws {
    owner = try TemporaryFolder()
    path = owner.path + "/exported"
    try HuggingFaceFolder.export(ModelFolder.Contents(model: model, tokenizer: try tokenizer()), to: path)
  }

  func url(_ file: String) -> URL { URL(fileURLWithPath: path + "/" + file) }
  func remove(_ file: String) throws { try FileManager.default.removeItem(at: url(file)) }
  func write(_ data: Data, to file: String) throws { try data.write(to: url(file)) }
  func load() throws -> HuggingFaceFolder.Imported { try HuggingFaceFolder.load(path) }

  func object(_ file: String) throws -> JSONObject {
    guard case .object(let object) = try JSONValue(parsing: Data(contentsOf: url(file))) else {
      throw ConfigurationError("\(file): no object")
    }
    return object
  }

  func set(_ key: String, to value: JSONValue?, in file: String) throws {
    try write(JSONValue.object(object(file).setting(key, to: value)).data, to: file)
  }

  func expectRefusal(_ message: String, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(sourceLocation: sourceLocation) { try load() } throws: { "\($0)".contains(message) }
  }
}

private func expectSame(_ one: ModelFolder.Contents, _ other: some LanguageModel) {
  #expect(one.model.weights.map(\.tensor.scalars) == other.weights.map(\.tensor.scalars))
}

// MARK: Export

@Test func exportsSayWhatTextsBeginAndEndWith() throws {
  let model = try gptForExport()
  let checkpoint = try ExportedFolder(model)
  let configuration = try checkpoint.object("config.json")
  #expect(configuration["n_ctx"] == 16 && configuration["bos_token_id"] == 2 && configuration["eos_token_id"] == 2)
  let settings = try checkpoint.object("tokenizer_config.json")
  #expect(settings["bos_token"] == "</s>" && settings["eos_token"] == "</s>")
  let generation = try checkpoint.object("generation_config.json")
  #expect(generation.members.map(\.value) == [2, 2, 2] && generation["pad_token_id"] == 2)
  let imported = try checkpoint.load()
  #expect(imported.contents.textStart == [2])
  #expect(imported.notes.isEmpty)
  expectSame(imported.contents, model)
}

@Test func tiedHeadsAreWrittenOutWhereAsked() throws {
  let (model, folder) = (try kimiForExport(), try TemporaryFolder())
  let contents = ModelFolder.Contents(model: model, tokenizer: try tokenizer())
  try HuggingFaceFolder.export(contents, to: folder.path + "/untied", untied: true)
  let read = try #require(try HuggingFaceFolder.load(folder.path + "/untied").contents.model as? Decoder)
  #expect(read.configuration.head == .own(hasBias: false))
  #expect(read.head?.weight.value.scalars == model.tokenEmbedding.table.value.scalars)
  #expect(read.weights.dropLast().map(\.tensor.scalars) == model.weights.map(\.tensor.scalars))
}

/// The file that is pinned by a generator which compares its ids with SentencePiece's.
@Test func exportedTokenizersAreTheGoldenOne() throws {
  let checkpoint = try ExportedFolder(try gptForExport())
  guard case .object(let golden) = try JSONValue(parsing: Fixture.data("sentencepiece/tokenizer.json")) else {
    throw ConfigurationError("no object")
  }
  let written = try checkpoint.object("tokenizer.json")
  #expect(written.members.map(\.key) == golden.members.map(\.key))
  for member in golden.members { #expect(written[member.key] == member.value, "\(member.key)") }
}

/// One that replaces characters first, though here none, is written neither as `tokenizer.json` nor as GGUF.
@Test func tokenizersWithAMapOfCharactersStayWhatTheyAre() throws {
  let map = Data([0, 4, 0, 0]) + Data(count: 1025)
  let data = try Fixture.data("sentencepiece/tokenizer.model") + Data([0x1A, 0x88, 8, 0x12, 0x85, 8]) + map
  let contents = ModelFolder.Contents(model: try gptForExport(), tokenizer: try SentencePieceTokenizer(model: data))
  let folder = try TemporaryFolder()
  try HuggingFaceFolder.export(contents, to: folder.path + "/out")
  #expect(!FileManager.default.fileExists(atPath: folder.path + "/out/tokenizer.json"))
  #expect(try Data(contentsOf: URL(fileURLWithPath: folder.path + "/out/tokenizer.model")) == data)
  #expect {
    try GGUFModel.export(contents, as: .f32, to: folder.path + "/gguf")
  } throws: {
    "\($0)".contains("replaces characters first")
  }
}

@Test func expertsOfUnevenWidthAreNotMultipliedJointly() throws {
  var configuration = try kimiForExport().configuration
  var generator = RandomGenerator(seed: 1)
  #expect(try kimiForExport().huggingFaceConfiguration()["experts_implementation"] == nil)
  configuration.sparseMoE?.expertWidth = 6
  let uneven = try Decoder(configuration, using: &generator)
  #expect(try uneven.huggingFaceConfiguration()["experts_implementation"] as? String == "eager")
  #expect(throws: Never.self) { try ExportedFolder(uneven).load() }
}

// MARK: Tokenizers

@Test func aTokenizerFileAloneIsEnough() throws {
  let checkpoint = try ExportedFolder(try kimiForExport())
  try checkpoint.remove("tokenizer.model")
  let imported = try checkpoint.load()
  #expect(imported.contents.textStart == [2])
  let (read, original) = (imported.contents.tokenizer, try tokenizer())
  for text in ["Kim found a kite.", "  a  b ", "\u{2581}x \u{2581}", "</s><0x41>", "e\u{301}é日本 🙂", ""] {
    #expect(try read.encode(text) == original.encode(text), "\(text)")
  }
}

@Test func tokenizerFilesThatDisagreeAreRefused() throws {
  let checkpoint = try ExportedFolder(try kimiForExport())
  var json = try checkpoint.object("tokenizer.json")
  guard case .object(let model)? = json["model"], case .object(let vocabulary)? = model["vocab"] else {
    throw ConfigurationError("no vocabulary")
  }
  let (one, other) = (vocabulary.members[300], vocabulary.members[310])
  let swapped = vocabulary.setting(one.key, to: other.value).setting(other.key, to: one.value)
  json = json.setting("model", to: .object(model.setting("vocab", to: .object(swapped))))
  try checkpoint.write(JSONValue.object(json).data, to: "tokenizer.json")
  checkpoint.expectRefusal("where tokenizer.model has")
}

@Test func whatATextBeginsWithIsWhatTheFolderSays() throws {
  let checkpoint = try ExportedFolder(try kimiForExport())
  // What transformers reads first has a template with the token 2, which counts whatever the flag is.
  try checkpoint.set("add_bos_token", to: false, in: "tokenizer_config.json")
  #expect(try checkpoint.load().contents.textStart == [2])
  try checkpoint.set("tokenizer_class", to: "LlamaTokenizerFast", in: "tokenizer_config.json")
  checkpoint.expectRefusal("'add_bos_token' is false, but tokenizer.json puts a token before a text")
  try checkpoint.set("add_bos_token", to: true, in: "tokenizer_config.json")
  #expect(try checkpoint.load().contents.textStart == [2])
  try checkpoint.set("post_processor", to: nil, in: "tokenizer.json")
  checkpoint.expectRefusal("tokenizer.json puts nothing before a text")
  // Without it the flag counts.
  try checkpoint.remove("tokenizer.json")
  try checkpoint.set("bos_token", to: ["content": "<s>"], in: "tokenizer_config.json")
  #expect(try checkpoint.load().contents.textStart == [1])
  try checkpoint.set("add_bos_token", to: false, in: "tokenizer_config.json")
  let silent = try checkpoint.load().contents
  #expect(silent.textStart == [])
  // And it stays so in a model folder, and in what is exported from there.
  let folder = try TemporaryFolder()
  try ModelFolder.save(silent, to: folder.path + "/model")
  let loaded = try ModelFolder.load(folder.path + "/model")
  #expect(loaded.textStart == [])
  try HuggingFaceFolder.export(loaded, to: folder.path + "/again")
  #expect(try HuggingFaceFolder.load(folder.path + "/again").contents.textStart == [])
  try checkpoint.remove("tokenizer_config.json")
  #expect(try checkpoint.load().contents.textStart == nil)
}

/// What GPT-2's public folders of 2019 and 2020 have in `config.json`.
@Test func keysOfOldConfigurationsChangeNothing() throws {
  let checkpoint = try ExportedFolder(try gptForExport())
  for (key, value) in [
    ("_num_labels", 1), ("output_past", true), ("xla_device", nil), ("n_special", 0), ("predict_special_tokens", true),
  ] as [(String, JSONValue)] {
    try checkpoint.set(key, to: value, in: "config.json")
  }
  _ = try checkpoint.load()
}

/// A template may call its tokens what it likes: their numbers count.
@Test func templatesNameTheirTokensByNumber() throws {
  let checkpoint = try ExportedFolder(try kimiForExport())
  func template(_ ids: JSONValue) -> JSONValue {
    [
      "type": "TemplateProcessing",
      "single": [["SpecialToken": ["id": "</s>", "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]]],
      "special_tokens": ["</s>": ["id": "</s>", "ids": ids, "tokens": ["</s>"]]],
    ]
  }
  for ids in [[7], [1, 2]] as [[Int]] {
    try checkpoint.set("post_processor", to: template(.array(ids.map { .integer($0) })), in: "tokenizer.json")
    #expect(try checkpoint.load().contents.textStart == ids.map { Int32($0) })
  }
  try checkpoint.set("post_processor", to: template([99_999]), in: "tokenizer.json")
  checkpoint.expectRefusal("a token that is not there")
}

@Test(arguments: ["add_eos_token", "add_prefix_space"])
func settingsThatChangeTokensAreRefused(key: String) throws {
  let checkpoint = try ExportedFolder(try kimiForExport())
  try checkpoint.set(key, to: true, in: "tokenizer_config.json")
  checkpoint.expectRefusal(key)
}

@Test func pairsOfBytesAreReadFromEitherForm() throws {
  let checkpoint = try ExportedFolder(try gptForExport(vocabularySize: 340))
  for file in ["tokenizer.model", "tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
    try checkpoint.remove(file)
  }
  checkpoint.expectRefusal("no tokenizer.json or vocab.json with merges.txt")
  try checkpoint.write(Fixture.data("byte_level/vocab.json"), to: "vocab.json")
  try checkpoint.write(Fixture.data("byte_level/merges.txt"), to: "merges.txt")
  try checkpoint.set("eos_token_id", to: 0, in: "config.json")
  let old = try checkpoint.load()
  try checkpoint.write(Fixture.data("byte_level/tokenizer.json"), to: "tokenizer.json")
  let new = try checkpoint.load()
  let text = "Kim doesn't  see é 🙂"
  #expect(try old.contents.tokenizer.encode(text) == new.contents.tokenizer.encode(text))
  #expect(new.contents.textStart == [] && new.notes.isEmpty)
  let folder = try TemporaryFolder()
  try ModelFolder.save(new.contents, to: folder.path + "/model")
  let loaded = try ModelFolder.load(folder.path + "/model")
  #expect(try loaded.tokenizer.encode(text) == new.contents.tokenizer.encode(text))
  #expect(loaded.tokenizer.endOfText == 0)
  try HuggingFaceFolder.export(loaded, to: folder.path + "/again")
  let again = try HuggingFaceFolder.load(folder.path + "/again").contents
  #expect(again.textStart == [])
  #expect(try again.tokenizer.encode(text) == new.contents.tokenizer.encode(text))
}

// MARK: Vocabulary

@Test func tokensWithoutAPieceAreKeptAndNeverWritten() throws {
  var model = try gptForExport(vocabularySize: 448)
  // Of all tokens the last ones are the likeliest.
  model.tokenEmbedding.table.value.withMutableElements { elements in
    for index in 420 * 16..<448 * 16 { elements[index] *= 50 }
  }
  let checkpoint = try ExportedFolder(model)
  let imported = try checkpoint.load()
  #expect(imported.notes.contains { $0.contains("28 of 448 tokens") })
  expectSame(imported.contents, model)
  let folder = try TemporaryFolder()
  try ModelFolder.save(imported.contents, to: folder.path + "/model")
  let loaded = try ModelFolder.load(folder.path + "/model")
  var generator = TextGenerator(tokenCount: loaded.tokenizer.vocabularySize, generator: RandomGenerator(seed: 1))
  let tokens = try generator.generate(60, after: [2], from: loaded.model)
  #expect(tokens.allSatisfy { $0 < 420 })
  _ = loaded.tokenizer.decode(tokens)
}

@Test func moreTokensThanTheModelHasAreRefused() throws {
  let checkpoint = try ExportedFolder(try gptForExport(vocabularySize: 400))
  checkpoint.expectRefusal("420 pieces, the model has only 400 tokens")
}

@Test func anotherEndOfTextIsNoted() throws {
  let checkpoint = try ExportedFolder(try kimiForExport())
  try checkpoint.remove("generation_config.json")
  try checkpoint.set("eos_token_id", to: [163_585, 7], in: "config.json")
  #expect(try checkpoint.load().notes.contains { $0.contains("not with eos_token_id 163585, 7") })
}

/// transformers writes text by `generation_config.json`, where there is one.
@Test func whatTextsAreWrittenWithIsRead() throws {
  let checkpoint = try ExportedFolder(try kimiForExport())
  let settings = #"{"eos_token_id": 7, "do_sample": true, "temperature": 0.6, "top_p": 0.95}"#
  try checkpoint.write(Data(settings.utf8), to: "generation_config.json")
  let notes = try checkpoint.load().notes
  #expect(notes.contains { $0.contains("not with eos_token_id 7") })
  #expect(notes.contains { $0.contains("temperature 0.6, top_p 0.95") })
  try checkpoint.write(Data(#"{"eos_token_id": null}"#.utf8), to: "generation_config.json")
  #expect(try checkpoint.load().notes.isEmpty)
  try checkpoint.write(Data("[]".utf8), to: "generation_config.json")
  checkpoint.expectRefusal("generation_config.json: not a JSON object")
}

// MARK: Weights

/// The tensors of a checkpoint in two files with an index.
private func divide(_ checkpoint: ExportedFolder) throws -> [String: JSONValue] {
  let tensors = try Safetensors.decodeFile(Data(contentsOf: checkpoint.url("model.safetensors"))).tensors
  try checkpoint.remove("model.safetensors")
  var map: [String: JSONValue] = [:]
  for (index, part) in [tensors.prefix(7), tensors.dropFirst(7)].enumerated() {
    let name = "model-0000\(index + 1)-of-00002.safetensors"
    try checkpoint.write(Safetensors.encode(Array(part)), to: name)
    for (tensor, _) in part { map[tensor] = .string(name) }
  }
  return map
}

private func index(_ map: [String: JSONValue]) -> Data {
  let members = map.map { JSONObject.Member(key: $0, value: $1) }
  let json: JSONValue = ["metadata": ["total_size": 1], "weight_map": .object(JSONObject(members))]
  return json.data
}

@Test func partsOfACheckpointAreReadTogether() throws {
  let model = try kimiForExport()
  let checkpoint = try ExportedFolder(model)
  var map = try divide(checkpoint)
  checkpoint.expectRefusal("model.safetensors.index.json")
  try checkpoint.write(index(map), to: "model.safetensors.index.json")
  expectSame(try checkpoint.load().contents, model)

  for (value, message) in [
    ("../model-00001-of-00002.safetensors", "is in no .safetensors file of this folder"),
    ("model-3.safetensors", "no such file"),
    (7, "is in no .safetensors file"), ("model-00002-of-00002.safetensors", "there is no tensor"),
  ] as [(JSONValue, String)] {
    var wrong = map
    let first = try #require(map.first { $0.value == "model-00001-of-00002.safetensors" }?.key)
    wrong[first] = value
    try checkpoint.write(index(wrong), to: "model.safetensors.index.json")
    checkpoint.expectRefusal(message)
  }
  // One tensor in two parts.
  try checkpoint.write(Data(contentsOf: checkpoint.url("model-00001-of-00002.safetensors")), to: "model-9.safetensors")
  map["model.norm.weight"] = "model-9.safetensors"
  try checkpoint.write(index(map), to: "model.safetensors.index.json")
  #expect(throws: ModelFolderError.self) { try checkpoint.load() }
}

@Test func otherFormatsAreNamed() throws {
  let checkpoint = try ExportedFolder(try gptForExport())
  try checkpoint.remove("model.safetensors")
  try checkpoint.write(Data(), to: "pytorch_model.bin")
  checkpoint.expectRefusal("pytorch_model.bin: only safetensors are read")
}

/// Masks are of types that weights are not.
@Test(arguments: ["BOOL", "U8", "F64"])
func masksOfAnyTypeAreLeftOut(type: String) throws {
  let model = try gptForExport()
  let checkpoint = try ExportedFolder(model)
  let weights = try Data(contentsOf: checkpoint.url("model.safetensors"))
  let length = weights.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
  guard case .object(let header) = try JSONValue(parsing: weights[8..<8 + length]) else { return }
  let end = weights.count - 8 - length
  func write(_ name: String) throws {
    let mask: JSONValue = [
      "dtype": .string(type), "shape": [1, 1, 2, 2], "data_offsets": [.integer(end), .integer(end + 32)],
    ]
    let text = JSONValue.object(header.setting(name, to: mask)).data
    let count = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) }
    try checkpoint.write(count + text + weights.dropFirst(8 + length) + Data(count: 32), to: "model.safetensors")
  }
  try write("transformer.h.0.attn.bias")
  expectSame(try checkpoint.load().contents, model)
  try write("transformer.h.0.attn.weight")
  checkpoint.expectRefusal("'transformer.h.0.attn.weight'")
}

@Test func eightBitWeightsNeedTheirScales() throws {
  let checkpoint = try ExportedFolder(try kimiForExport())
  let file = try Safetensors.File(Data(contentsOf: checkpoint.url("model.safetensors")))
  let name = "model.layers.0.self_attn.o_proj.weight"
  // 0x38 is 1, 0xC4 is -3.
  let bits = Data((0..<4096).map { $0 % 2 == 0 ? UInt8(0x38) : 0xC4 })
  /// The same tensors but for one, which has 8 bits, and its scales.
  func write(scales: [Float]) throws {
    var tensors: [(name: String, type: String, shape: [Int], bytes: Data)] = [(name, "F8_E4M3", [64, 64], bits)]
    for other in file.names where other != name {
      let tensor = try file.tensor(other)
      let bytes = tensor.scalars.withUnsafeBytes { Data($0) }
      tensors.append((other, "F32", tensor.shape.dimensions, bytes))
    }
    for scale in scales {
      tensors.append((name + "_scale_inv", "F32", [1, 1], withUnsafeBytes(of: scale) { Data($0) }))
    }
    var (members, body) = ([JSONObject.Member](), Data())
    for tensor in tensors {
      let value: JSONValue = [
        "dtype": .string(tensor.type), "shape": .array(tensor.shape.map { .integer($0) }),
        "data_offsets": [.integer(body.count), .integer(body.count + tensor.bytes.count)],
      ]
      members.append(JSONObject.Member(key: tensor.name, value: value))
      body += tensor.bytes
    }
    let text = JSONValue.object(JSONObject(members)).data
    let count = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) }
    try checkpoint.write(count + text + body, to: "model.safetensors")
  }
  try write(scales: [])
  checkpoint.expectRefusal("8-bit floats without a '\(name)_scale_inv'")
  try write(scales: [0.5])
  try checkpoint.set("quantization_config", to: ["quant_method": "fp8"], in: "config.json")
  let loaded = try #require(try checkpoint.load().contents.model as? Decoder)
  guard case .latent(let attention) = loaded.blocks[0].attention else {
    Issue.record("no latent attention")
    return
  }
  #expect(attention.projection.weight.value.scalars.prefix(3) == [0.5, -1.5, 0.5])
}
