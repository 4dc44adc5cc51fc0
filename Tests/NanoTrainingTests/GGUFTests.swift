import Foundation
import NanoAutograd
import NanoData
import NanoLayers
import NanoModels
import NanoTensor
import NanoTestSupport
import Testing

@testable import NanoTraining

/// Weights that are a formula of their place, exactly: files with them are the same on every machine.
private func withFormulaWeights(_ configuration: DecoderConfiguration) throws -> Decoder {
  var generator = RandomGenerator(seed: 1)
  var model = try Decoder(configuration, using: &generator)
  var parameterIndex = 0
  model.visitParameters(.root()) { _, parameter in
    let numbers = (0..<parameter.value.elementCount).map {
      Float(($0 * 7919 + parameterIndex * 104_729) % 2003 - 1001) / 4096
    }
    parameter.value = Tensor(numbers, shape: parameter.value.shape)
    parameterIndex += 1
  }
  return model
}

private func kimi(_ change: (inout DecoderConfiguration) -> Void = { _ in }) throws -> Decoder {
  var configuration = DecoderConfiguration.nanoKimiK2(size: .tiny, vocabularySize: 424, contextLength: 16)
  configuration.layerCount = 2
  change(&configuration)
  return try withFormulaWeights(configuration)
}

private func gpt(_ change: (inout DecoderConfiguration) -> Void = { _ in }) throws -> Decoder {
  var configuration = DecoderConfiguration.nanoGPT2(
    vocabularySize: 420, contextLength: 16, width: 32, layerCount: 2, headCount: 2)
  change(&configuration)
  return try withFormulaWeights(configuration)
}

private func tokenizer() throws -> SentencePieceTokenizer {
  try SentencePieceTokenizer(model: Fixture.data("sentencepiece/tokenizer.model"))
}

private func contents(_ model: Decoder, textStart: [Int32]? = nil) throws -> ModelFolder.Contents {
  ModelFolder.Contents(model: model, tokenizer: try tokenizer(), textStart: textStart)
}

/// The bytes of an exported file.
private func exported(_ contents: ModelFolder.Contents, as type: GGUFTensorType = .f32) throws -> Data {
  let folder = try TemporaryFolder()
  let files = try GGUFModel.export(contents, as: type, to: folder.path + "/out")
  #expect(files == ["model-\(type.rawValue).gguf", "Modelfile"])
  return try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/out/\(files[0])"))
}

private func exported(_ model: Decoder, as type: GGUFTensorType = .f32) throws -> Data {
  try exported(try contents(model), as: type)
}

private func load(_ data: Data) throws -> ModelFolder.Contents { try GGUFModel.contents(of: try GGUFFile(data)) }

// MARK: Writing

/// Files of the form that `Tools/clients/check.sh` compares with those of the gguf package, byte by byte.
@Test(arguments: [
  (
    GGUFTensorType.f32, "00d8f8c302db66e048a72f0a6cf132ff884381ee0ee382028fe99a8c99bb07cb",
    "e25df29bbe9e5c967ff394a9015e024dc891e25da038056f8fe133b66dc96003"
  ),
  (
    .f16, "bac02be31de7b615fc3dede7fe982b5c344d2b538cc6e8076833e82201a4a76f",
    "8ecf0ed7882e09a64e8fc11aebf0d029f520b6bebef56c57287b5892b12275e7"
  ),
  (
    .bf16, "853bdc759bbe2b22e62fc5c2daa710e62190184a70c1b58128e58ae5a7499c2a",
    "7fd96dfdb8b77f90551a2d3be77898e01433a1deaf3b769926d4aebb04c3276a"
  ),
  (
    .q8_0, "d0216663152560408298ecf5c6dc0dc9001008067d72c56e398cafd539b01dc5",
    "b16514ba4533cfd89ab73d57128654cdc9ffcacfb8af1e1463a1cc9b91bcf465"
  ),
])
func exportedFilesAreTheGoldenOnes(type: GGUFTensorType, kimiDigest: String, gptDigest: String) throws {
  let digests = [try kimi(), try gpt()].map { model in
    (try? exported(model, as: type)).map { SHA256.hexadecimal(of: $0) }
  }
  #expect(digests == [kimiDigest, gptDigest])
}

@Test func keysAndValuesAreSplitByHead() throws {
  let model = try kimi()
  let file = try GGUFFile(try exported(model))
  guard case .latent(let attention) = model.blocks[1].attention else { throw ConfigurationError("no latent attention") }
  let c = attention.configuration
  let weights = attention.keyValueUp.weight.value.scalars
  func weight(head: Int, row: Int, column: Int) -> Float {
    weights[(head * (c.nopeWidth + c.valueWidth) + row) * c.keyValueRank + column]
  }
  let (keys, values) = (file.elements(of: "blk.1.attn_k_b.weight"), file.elements(of: "blk.1.attn_v_b.weight"))
  #expect(file.shape(of: "blk.1.attn_k_b.weight") == [c.headCount, c.keyValueRank, c.nopeWidth])
  #expect(file.shape(of: "blk.1.attn_v_b.weight") == [c.headCount, c.valueWidth, c.keyValueRank])
  for (head, row, column) in [(0, 0, 0), (1, 3, 5), (3, 15, 31), (2, 7, 0)] {
    #expect(
      keys[(head * c.keyValueRank + column) * c.nopeWidth + row] == weight(head: head, row: row, column: column))
    #expect(
      values[(head * c.valueWidth + row) * c.keyValueRank + column]
        == weight(head: head, row: c.nopeWidth + row, column: column))
  }
}

/// What llama.cpp would silently compute something else without.
@Test func metadataSaysWhatHasNoDefault() throws {
  let file = try GGUFFile(try exported(try kimi()))
  #expect(file.metadata["deepseek2.expert_gating_func"] == .integer(2))
  #expect(file.metadata["deepseek2.attention.q_lora_rank"] == .integer(0))
  #expect(file.metadata["tokenizer.ggml.bos_token_id"] == .integer(2))
  #expect(file.metadata["tokenizer.ggml.add_space_prefix"] == .boolean(false))
  guard case .strings(let pieces)? = file.metadata["tokenizer.ggml.tokens"] else {
    throw ConfigurationError("no tokens")
  }
  #expect(pieces.count == 424 && pieces[423] == "[PAD423]")
}

@Test func blocksAndVectorsFallBackToFloats() throws {
  let tensor = GGUFTensor("blk.0.attn_q.weight", [8, 48])
  #expect(tensor.type(inFileOf: .q8_0) == .f16 && tensor.type(inFileOf: .bf16) == .bf16)
  #expect(GGUFTensor("blk.0.attn_q.weight", [8, 64]).type(inFileOf: .q8_0) == .q8_0)
  #expect(GGUFTensor("blk.0.attn_norm.weight", [64]).type(inFileOf: .q8_0) == .f32)
  #expect(GGUFTensor("blk.0.ffn_gate_inp.weight", [8, 64]).type(inFileOf: .f16) == .f32)
}

@Test func halvesAreTheNearest() {
  for (number, bits) in [
    (1, 0x3C00), (-2, 0xC000), (65_504, 0x7BFF), (65_519.996, 0x7BFF), (65_520, 0x7C00), (0x1p-24, 1), (0x1p-25, 0),
    (0x1.8p-24, 2), (0x1.004p0, 0x3C01), (0x1.002p0, 0x3C00), (0x1.006p0, 0x3C02), (0x1.FFEp-15, 0x400),
  ] as [(Float, UInt16)] {
    #expect(number.halfBits == bits, "\(number)")
  }
  for bits in UInt16(0)..<0x7C00 { #expect(Float(half: bits).halfBits == bits) }
}

@Test func blocksOfZerosAndTinyNumbersStayFinite() {
  let numbers = [Float](repeating: 0, count: 32) + (0..<32).map { Float($0) * 700 * Float.leastNonzeroMagnitude }
  let bytes = GGUFTensorType.q8_0.encode(numbers)
  #expect(GGUFTensorType.q8_0.decode(bytes, count: 64).allSatisfy { $0 == 0 })
}

@Test func numbersTooLargeForATypeAreRefused() throws {
  var model = try gpt()
  model.tokenEmbedding.table.value.withMutableElements { $0[5] = 1e5 }
  #expect { try exported(model, as: .f16) } throws: { "\($0)".contains("too large for f16") }
  #expect(throws: Never.self) { try exported(model, as: .bf16) }
}

@Test func whatLlamaHasNotIsRefused() throws {
  for (model, reason) in [
    (try kimi { $0.positions = .rotary(layout: .halves) }, "rotates neighbouring channels"),
    (try kimi { $0.positions = .rotary(scaling: .linear(factor: 4)) }, "scales logits too"),
    (try kimi { $0.sparseMoE?.sharedExpertCount = 0 }, "at least one shared expert"),
    (try kimi { $0.latent?.hasBias = true }, "no biases in its attention"),
    (try kimi { $0.latent?.hasQueryKeyNorm = true }, "no QK-norm"),
    (try gpt { $0.feedForward = .mlp(width: 64, activation: .relu, hasBias: true) }, "has GELU alone"),
    (try gpt { $0.positions = .rotary() }, "learned positions"),
  ] {
    #expect { try exported(model) } throws: { "\($0)".contains(reason) }
  }
  let characters = ModelFolder.Contents(
    model: try gpt { $0.vocabularySize = 3 }, tokenizer: CharacterTokenizer(vocabularyOf: "abc"))
  #expect { try exported(characters) } throws: { "\($0)".contains("models of characters") }
  #expect { try exported(try contents(try gpt(), textStart: [1, 2])) } throws: { "\($0)".contains("one token or none") }
}

// MARK: Reading

@Test(arguments: GGUFTensorType.allCases)
func filesAreReadBack(type: GGUFTensorType) throws {
  let groups = ExpertGroups(count: 4, topK: 2)
  for model in [
    try kimi(), try gpt(), try gpt { $0.head = .own(hasBias: false) },
    try kimi {
      $0.latent?.queryRank = 24
      $0.sparseMoE?.groups = groups
    },
  ] {
    let data = try exported(model, as: type)
    let read = try load(data)
    let loaded = try #require(read.model as? Decoder)
    #expect(loaded.configuration.positions == model.configuration.positions)
    #expect(loaded.configuration.feedForward == model.configuration.feedForward)
    #expect(read.textStart == [2])
    if type == .f32 { #expect(loaded.weights.map(\.tensor.scalars) == model.weights.map(\.tensor.scalars)) }
    // Rounded once, numbers stay what they are.
    #expect(try exported(read, as: type) == data)
    let text = "Kim found  a kite.\n é🙂"
    #expect(try read.tokenizer.encode(text) == tokenizer().encode(text))
  }
}

@Test func whatATextBeginsWithIsKept() throws {
  for start in [[], [1]] as [[Int32]] {
    #expect(try load(try exported(try contents(try gpt(), textStart: start))).textStart == start)
  }
}

@Test func yarnIsReadBack() throws {
  let yarn = RotaryScaling.YaRN(
    factor: 32, originalContextLength: 8, fastRotations: 1, slowRotations: 1, amplitudeScale: 1, logitScale: 1)
  let model = try kimi { $0.positions = .rotary(base: 50_000, scaling: .yarn(yarn)) }
  guard
    case .rotary(50_000, _, .yarn(let read)?)? =
      (try load(try exported(model)).model as? Decoder)?.configuration.positions
  else { throw ConfigurationError("no YaRN") }
  #expect(read.factor == 32 && read.originalContextLength == 8 && abs((read.logitScale ?? 0) - 1) < 1e-6)
  let other = RotaryScaling.YaRN(factor: 4, originalContextLength: 8, amplitudeScale: 1, logitScale: 0.7)
  #expect { try exported(try kimi { $0.positions = .rotary(scaling: .yarn(other)) }) } throws: {
    "\($0)".contains("YaRN")
  }
}

// MARK: Damage

/// A file whose metadata and tensors a test may choose.
private func file(
  metadata: [(key: String, value: GGUFValue)] = [], tensors: [(name: String, shape: Shape, type: GGUFTensorType)] = [],
  body: Int = 0
) -> Data {
  GGUFFile.header(metadata: metadata, tensors: tensors) + Data(count: body)
}

@Test func impossibleHeadersAreRefused() throws {
  #expect(throws: Never.self) { try GGUFFile(file(tensors: [("a", [2, 3], .f32)], body: 24)) }
  func expectRefusal(_ data: Data, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(sourceLocation: sourceLocation) { try GGUFFile(data) } throws: { "\($0)".contains(reason) }
  }
  expectRefusal(Data("GGML".utf8), "not a GGUF file")
  expectRefusal(Data("GGUF".utf8), "ends in the middle")
  expectRefusal(file(tensors: [("a", [2, 3], .f32)], body: 23), "cut short")
  expectRefusal(file(tensors: [("a", [1], .f32), ("a", [1], .f32)], body: 64), "is there twice")
  expectRefusal(file(metadata: [("a", .integer(1)), ("a", .integer(2))]), "is there twice")
  expectRefusal(file(metadata: [("general.alignment", .integer(0))]), "no multiple of 8")
  var wrong = file()
  wrong.replaceSubrange(4..<8, with: [0, 0, 0, 3])
  expectRefusal(wrong, "version 50331648")
  // Counts, lengths and extents that the file has no room for.
  for place in [8, 16] {
    var data = file(metadata: [("a", .string("b"))])
    data.replaceSubrange(place..<place + 8, with: [UInt8](repeating: 0xFF, count: 8))
    expectRefusal(data, "more than the file has room for")
  }
  var data = file(metadata: [("a", .strings(["b"]))])
  data.replaceSubrange(41..<49, with: [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0])
  expectRefusal(data, "elements of 'a'")
  data = file(tensors: [("a", [2, 3], .f32)], body: 24)
  data.replaceSubrange(37..<45, with: [UInt8](repeating: 0x7F, count: 8))
  expectRefusal(data, "impossible extents")
  data = file(tensors: [("a", [2, 3], .f32)], body: 24)
  data[57] = 32
  expectRefusal(data, "cut short")
  data[57] = 1
  expectRefusal(data, "between two places")
  data[53] = 12
  expectRefusal(data, "of type 12")
  data = file(tensors: [("a", [1], .f32), ("b", [1], .f32)], body: 64)
  data[82] = 0
  expectRefusal(data, "overlap")
}

@Test func otherModelsAreRefused() throws {
  let file = try GGUFFile(try exported(try gpt()))
  func expectRefusal(
    _ change: (inout [(key: String, value: GGUFValue)]) -> Void, renaming tensor: String? = nil, _ reason: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var metadata = file.metadata.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) }
    change(&metadata)
    var data = GGUFFile.header(
      metadata: metadata, tensors: file.names.map { ($0 == tensor ? "other" : $0, file.shape(of: $0)!, .f32) })
    for name in file.names {
      let bytes = GGUFTensorType.f32.encode(file.elements(of: name))
      data += bytes + GGUFFile.padding(after: bytes.count)
    }
    #expect(sourceLocation: sourceLocation) { try load(data) } throws: { "\($0)".contains(reason) }
  }
  func set(_ key: String, _ value: GGUFValue?) -> (inout [(key: String, value: GGUFValue)]) -> Void {
    { metadata in
      metadata.removeAll { $0.key == key }
      if let value { metadata.append((key, value)) }
    }
  }
  try expectRefusal(set("general.architecture", .string("llama")), "gpt2")
  try expectRefusal(set("gpt2.block_count", nil), "'gpt2.block_count' is missing")
  try expectRefusal(set("gpt2.block_count", .integer(3)), "weights, the file's tensors")
  try expectRefusal(set("gpt2.block_count", .integer(1)), "belongs to no part")
  try expectRefusal(set("gpt2.rope.freq_base", .integer(1)), "'gpt2.rope.freq_base' is not known here")
  try expectRefusal(set("gpt2.context_length", .integer(15)), "position_embd.weight")
  try expectRefusal(set("gpt2.attention.head_count", .integer(3)), "not divisible")
  try expectRefusal(set("tokenizer.ggml.model", .string("gpt2")), "tokenizer.ggml.model")
  try expectRefusal(set("tokenizer.ggml.scores", .numbers([1])), "not equally many")
  try expectRefusal(set("tokenizer.ggml.eos_token_id", .integer(420)), "eos_token_id")
  try expectRefusal(set("tokenizer.ggml.eos_token_id", .integer(300)), "is text")
  try expectRefusal(set("a", nil), renaming: "blk.1.ffn_up.bias", "'blk.1.ffn_up.bias' is missing")
}

/// Bytes changed at random, mostly in the header: what is read is read whole, and the rest is refused.
@Test func damagedFilesAreRefusedOrReadWhole() throws {
  let data = try exported(try gpt { $0.layerCount = 1 })
  var generator = SeededGenerator(seed: 7)
  var refusals = 0
  for round in 0..<400 {
    var damaged = data
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
      let limit = round % 4 == 0 ? data.count : 1200
      let index = Int.random(in: 0..<limit, using: &generator)
      damaged[index] = [0, 0xFF, 0x80, UInt8.random(in: 0...255, using: &generator)].randomElement(using: &generator)!
    }
    if round % 5 == 0 { damaged = damaged.prefix(Int.random(in: 0..<data.count, using: &generator)) }
    do {
      _ = try load(damaged)
    } catch {
      refusals += 1
    }
  }
  #expect(refusals > 100)
}
