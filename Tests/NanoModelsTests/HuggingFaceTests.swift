import Foundation
import NanoAutograd
import NanoLayers
import NanoModels
import NanoTensor
import NanoTestSupport
import TensorTestSupport
import Testing

private func object(_ data: Data) throws -> JSONObject {
  guard case .object(let object) = try JSONValue(parsing: data) else { throw ConfigurationError("no object") }
  return object
}

/// A tiny checkpoint of transformers with its logits, loss and gradients.
private struct GoldenCheckpoint {
  var json: JSONObject
  var tensors: [String: Tensor]
  let golden: [String: Tensor]

  init(_ name: String) throws {
    json = try object(Fixture.data("\(name)/config.json"))
    tensors = try Safetensors.decode(Fixture.data("\(name)/model.safetensors"))
    golden = try Safetensors.decode(Fixture.data("\(name)/golden.safetensors"))
  }

  func model() throws -> Decoder {
    try Decoder(huggingFace: HuggingFaceDescription(json), tensors: tensors)
  }

  func tokens(_ name: String) throws -> [Int32] {
    try #require(golden[name]).scalars.map { Int32($0) }
  }
}

private func expectGolden(_ name: String) throws {
  let checkpoint = try GoldenCheckpoint(name)
  let model = try checkpoint.model()
  let (inputs, targets) = (try checkpoint.tokens("inputs"), try checkpoint.tokens("targets"))
  let logits = model.logits(for: inputs, sequenceLength: 12, on: Tape(recording: false))
  #expect(
    relativeDifference(logits.value.scalars, try #require(checkpoint.golden["logits"]).scalars) < 1e-5)

  let tape = Tape()
  let loss = model.loss(inputs: inputs, targets: targets, sequenceLength: 12, on: tape)
  #expect(abs(loss.value.scalar - checkpoint.golden["loss"]!.scalar) < 1e-5)
  // Gradients go through the same renaming as weights.
  let gradients = tape.gradients(of: loss)
  var asWeights = model
  asWeights.visitParameters(.root()) { _, parameter in
    if let gradient = gradients[parameter.id] { parameter.value = gradient }
  }
  for (name, gradient) in asWeights.huggingFaceWeights()
  where !name.hasSuffix("e_score_correction_bias") {
    // An expert that no token chose has no gradient there, and zeros here.
    let expected = checkpoint.golden["gradient." + name] ?? Tensor(zeros: gradient.shape)
    #expect(relativeDifference(gradient.scalars, expected.scalars) < 2e-4, "\(name)")
  }
  for name in checkpoint.golden.keys where name.hasPrefix("gradient.") {
    #expect(asWeights.huggingFaceWeights().contains { "gradient." + $0.name == name }, "\(name)")
  }
}

@Test func nanoKimiK2MatchesTransformers() throws {
  try expectGolden("deepseek_v3")
}
@Test func lowRankQueriesHalvesAndOwnHeadMatchTransformers() throws {
  try expectGolden("deepseek_v3_low_rank_queries")
}
@Test func groupsYarnAndBiasesMatchTransformers() throws {
  try expectGolden("deepseek_v3_yarn")
}
@Test func linearlyScaledPositionsMatchTransformers() throws {
  try expectGolden("deepseek_v3_linear")
}
@Test func nanoGPT2MatchesTransformers() throws { try expectGolden("gpt2") }
@Test func tanhFormAndOwnHeadMatchTransformers() throws {
  try expectGolden("gpt2_untied")
}

/// Configurations as they are published, all but the sizes, at once and one token after another.
@Test(arguments: ["kimi_k2", "moonlight", "published_deepseek_v3"])
func publishedModelsScaledDownMatchTransformers(name: String) throws {
  let checkpoint = try GoldenCheckpoint(name)
  let model = try checkpoint.model()
  let (inputs, expected) = (try checkpoint.tokens("inputs"), try #require(checkpoint.golden["logits"]).scalars)
  let logits = model.logits(for: inputs, sequenceLength: inputs.count, on: Tape(recording: false))
  #expect(relativeDifference(logits.value.scalars, expected) < 1e-5)
  let session = try #require(model.makeDecodingSession(DecodingOptions()))
  #expect(relativeDifference(inputs.flatMap { session.append([[$0]])[0] }, expected) < 1e-5)
}

/// The cache's positions, groups and biases are those of the whole sequence.
@Test(arguments: ["deepseek_v3_yarn", "deepseek_v3_linear"])
func scaledPositionsAreTheSameOneByOne(name: String) throws {
  let checkpoint = try GoldenCheckpoint(name)
  let model = try checkpoint.model()
  let inputs = try checkpoint.tokens("inputs").prefix(12)
  let whole = model.logits(for: Array(inputs), sequenceLength: 12, on: Tape(recording: false))
  let session = try #require(model.makeDecodingSession(DecodingOptions()))
  let single = inputs.flatMap { session.append([[$0]])[0] }
  #expect(relativeDifference(single, whole.value.scalars) < 1e-5)
}

private func expectRoundTrip(_ name: String) throws {
  let checkpoint = try GoldenCheckpoint(name)
  let model = try checkpoint.model()
  let exported = Dictionary(
    uniqueKeysWithValues: model.huggingFaceWeights().map { ($0.name, $0.tensor) })
  #expect(Set(exported.keys) == Set(checkpoint.tensors.keys))
  for (name, tensor) in exported {
    #expect(tensor.shape == checkpoint.tensors[name]?.shape, "\(name)")
    #expect(tensor.scalars == checkpoint.tensors[name]?.scalars, "\(name)")
  }
  let written = try JSONSerialization.data(withJSONObject: try model.huggingFaceConfiguration())
  #expect(try HuggingFaceDescription(object(written)).configuration == model.configuration)
}

@Test func exportIsWhatTransformersSaved() throws {
  try expectRoundTrip("deepseek_v3")
  try expectRoundTrip("deepseek_v3_low_rank_queries")
  try expectRoundTrip("deepseek_v3_yarn")
  try expectRoundTrip("deepseek_v3_linear")
  try expectRoundTrip("gpt2")
  try expectRoundTrip("gpt2_untied")
}

private func expectRefusal(
  _ checkpoint: GoldenCheckpoint, _ message: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(sourceLocation: sourceLocation) {
    try checkpoint.model()
  } throws: {
    "\($0)".contains(message)
  }
}

@Test func foreignTensorsAreRefusedByName() throws {
  let checkpoint = try GoldenCheckpoint("deepseek_v3")
  var damaged = checkpoint
  damaged.tensors["model.layers.1.mlp.experts.2.up_proj.weight"] = nil
  expectRefusal(damaged, "'model.layers.1.mlp.experts.2.up_proj.weight' is missing")
  damaged = checkpoint
  damaged.tensors["model.extra"] = Tensor(zeros: [2])
  expectRefusal(damaged, "'model.extra' belongs to no parameter")
  damaged = checkpoint
  damaged.tensors["model.norm.weight"] = Tensor(repeating: .nan, shape: [24])
  expectRefusal(damaged, "'model.norm.weight' has elements that are not finite")
  // A layer behind the last is one that predicts further tokens only where the configuration says so.
  damaged = checkpoint
  damaged.tensors["model.layers.3.input_layernorm.weight"] = Tensor(zeros: [24])
  expectRefusal(damaged, "'model.layers.3.input_layernorm.weight'")
  damaged.json = damaged.json.setting("num_nextn_predict_layers", to: 1)
  #expect(throws: Never.self) { try damaged.model() }
}

@Test func aTiedHeadThatDiffersIsRefused() throws {
  var (kimi, gpt) = (try GoldenCheckpoint("deepseek_v3"), try GoldenCheckpoint("gpt2"))
  kimi.tensors["lm_head.weight"] = kimi.tensors["model.embed_tokens.weight"]
  gpt.tensors["lm_head.weight"] = gpt.tensors["transformer.wte.weight"]
  #expect(throws: Never.self) { try kimi.model() }
  #expect(throws: Never.self) { try gpt.model() }
  kimi.tensors["lm_head.weight"]?.withMutableElements { $0[5] += 1 }
  gpt.tensors["lm_head.weight"]?.withMutableElements { $0[5] += 1 }
  expectRefusal(kimi, "lm_head.weight")
  expectRefusal(gpt, "lm_head.weight")
}

@Test func namesWithoutPrefixAndMasksAreRead() throws {
  let checkpoint = try GoldenCheckpoint("gpt2")
  let expected = try checkpoint.model().weights
  var bare = checkpoint
  bare.tensors = Dictionary(
    uniqueKeysWithValues: checkpoint.tensors.map { (String($0.dropFirst("transformer.".count)), $1) })
  bare.tensors["h.0.attn.bias"] = Tensor(zeros: [1, 1, 16, 16])
  bare.tensors["h.1.attn.masked_bias"] = Tensor(zeros: [])
  bare.json = bare.json.setting("architectures", to: ["GPT2Model"])
  let weights = try bare.model().weights
  #expect(weights.map(\.tensor.scalars) == expected.map(\.tensor.scalars))
  bare.tensors["transformer.wte.weight"] = bare.tensors.removeValue(forKey: "wte.weight")
  #expect(throws: WeightMismatch.self) { try bare.model() }
}

@Test func groupsOfOneExpertAreNotExported() throws {
  var generator = RandomGenerator(seed: 1)
  var configuration = DecoderConfiguration.nanoKimiK2(size: .tiny, vocabularySize: 20, contextLength: 8)
  configuration.sparseMoE?.expertCount = 1
  configuration.sparseMoE?.topK = 1
  let single = try Decoder(configuration, using: &generator)
  #expect { try single.huggingFaceConfiguration() } throws: { "\($0)".contains("groups of one expert") }
  configuration.feedForward = .sparseMoE(
    experts: try #require(configuration.sparseMoE), denseLayerCount: configuration.layerCount, denseWidth: 8)
  let dense = try Decoder(configuration, using: &generator)
  #expect(throws: Never.self) { try dense.huggingFaceConfiguration() }
}

/// 8-bit weights are what their scales make of them.
@Test func scalesOfBlocksAreApplied() throws {
  var checkpoint = try GoldenCheckpoint("deepseek_v3")
  let name = "model.layers.0.self_attn.o_proj.weight"
  let matrix = try #require(checkpoint.tensors[name])  // 24 × 12
  let expected = try checkpoint.model()
  checkpoint.json = checkpoint.json.setting(
    "quantization_config", to: ["quant_method": "fp8", "weight_block_size": [16, 8]])
  let scales: [Float] = [2, 4, 8, 0.5]
  checkpoint.tensors[name] = Tensor(
    matrix.scalars.enumerated().map { $1 / scales[$0 / 12 / 16 * 2 + $0 % 12 / 8] }, shape: matrix.shape)
  checkpoint.tensors[name + "_scale_inv"] = Tensor(scales, shape: [2, 2])
  #expect(
    try checkpoint.model().weights.map(\.tensor.scalars) == expected.weights.map(\.tensor.scalars))
  checkpoint.tensors[name + "_scale_inv"] = Tensor(scales, shape: [4, 1])
  expectRefusal(checkpoint, "_scale_inv' has shape")
}
