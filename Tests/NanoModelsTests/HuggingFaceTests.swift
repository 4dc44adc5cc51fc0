import Foundation
import NanoAutograd
import NanoModels
import NanoTensor
import NanoTestSupport
import Testing

/// A tiny checkpoint of transformers with its logits, loss and gradients.
private struct GoldenCheckpoint {
  let json: [String: Any]
  let tensors: [String: Tensor]
  let golden: [String: Tensor]

  init(_ name: String) throws {
    json = try #require(
      try JSONSerialization.jsonObject(with: Fixture.data("\(name)/config.json")) as? [String: Any])
    tensors = try Safetensors.decode(Fixture.data("\(name)/model.safetensors"))
    golden = try Safetensors.decode(Fixture.data("\(name)/golden.safetensors"))
  }

  func tokens(_ name: String) throws -> [Int32] {
    try #require(golden[name]).scalars.map { Int32($0) }
  }
}

private func expectGolden<Model: HuggingFaceModel>(_ type: Model.Type, _ name: String) throws {
  let checkpoint = try GoldenCheckpoint(name)
  let model = try Model(huggingFace: checkpoint.json, tensors: checkpoint.tensors)
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
  try expectGolden(NanoKimiK2.self, "deepseek_v3")
}
@Test func lowRankQueriesHalvesAndOwnHeadMatchTransformers() throws {
  try expectGolden(NanoKimiK2.self, "deepseek_v3_low_rank_queries")
}
@Test func nanoGPT2MatchesTransformers() throws { try expectGolden(NanoGPT2.self, "gpt2") }

private func expectRoundTrip<Model: HuggingFaceModel>(_ type: Model.Type, _ name: String) throws {
  let checkpoint = try GoldenCheckpoint(name)
  let model = try Model(huggingFace: checkpoint.json, tensors: checkpoint.tensors)
  let exported = Dictionary(
    uniqueKeysWithValues: model.huggingFaceWeights().map { ($0.name, $0.tensor) })
  #expect(Set(exported.keys) == Set(checkpoint.tensors.keys))
  for (name, tensor) in exported {
    #expect(tensor.shape == checkpoint.tensors[name]?.shape, "\(name)")
    #expect(tensor.scalars == checkpoint.tensors[name]?.scalars, "\(name)")
  }
  let written = try JSONSerialization.data(withJSONObject: try model.huggingFaceConfiguration())
  let json = try #require(try JSONSerialization.jsonObject(with: written) as? [String: Any])
  #expect(try Model.configuration(fromHuggingFace: json) == model.configuration)
}

@Test func exportIsWhatTransformersSaved() throws {
  try expectRoundTrip(NanoKimiK2.self, "deepseek_v3")
  try expectRoundTrip(NanoKimiK2.self, "deepseek_v3_low_rank_queries")
  try expectRoundTrip(NanoGPT2.self, "gpt2")
}

@Test func foreignCheckpointsAreRefusedByName() throws {
  var checkpoint = try GoldenCheckpoint("deepseek_v3")
  var tensors = checkpoint.tensors
  tensors["model.layers.1.mlp.experts.2.up_proj.weight"] = nil
  #expect { try NanoKimiK2(huggingFace: checkpoint.json, tensors: tensors) } throws: {
    "\($0)".contains("'model.layers.1.mlp.experts.2.up_proj.weight' is missing")
  }
  tensors = checkpoint.tensors
  tensors["model.extra"] = Tensor(zeros: [2])
  #expect { try NanoKimiK2(huggingFace: checkpoint.json, tensors: tensors) } throws: {
    "\($0)".contains("'model.extra' belongs to no parameter")
  }
  var json = checkpoint.json
  json["rope_scaling"] = ["type": "yarn", "factor": 4]
  #expect { try NanoKimiK2.configuration(fromHuggingFace: json) } throws: {
    "\($0)".contains("rope_scaling")
  }
  checkpoint = try GoldenCheckpoint("gpt2")
  json = checkpoint.json
  json["activation_function"] = "gelu_new"
  #expect { try NanoGPT2.configuration(fromHuggingFace: json) } throws: {
    "\($0)".contains("gelu_new")
  }
}
