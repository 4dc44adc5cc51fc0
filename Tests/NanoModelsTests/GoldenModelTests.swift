import ModelsTestSupport
import NanoAutograd
import NanoLayers
import NanoModels
import NanoTensor
import NanoTestSupport
import TensorTestSupport
import Testing

private func expectGolden(_ preset: ModelRecipe.Preset) throws {
  let golden = try Fixture.load("character_models")
  let model = try goldenModel(preset)
  let inputs = (0..<32).map { (i: Int) -> Int32 in Int32((i * 7 + i * i * 3) % 13) }
  let targets = (0..<32).map { (i: Int) -> Int32 in Int32((i * 5 + i * i * 2 + 1) % 13) }
  let tape = Tape()
  let logits = model.logits(for: inputs, sequenceLength: 8, on: tape)
  let prefix = preset.rawValue
  #expect(
    relativeDifference(logits.value.scalars, try #require(golden[prefix + ".logits"]).scalars)
      < 1e-5)
  let loss = logits.crossEntropy(targets: targets)
  #expect(abs(loss.value.scalar - golden[prefix + ".losses"]!.scalars[0]) < 1e-5)
  let gradients = tape.gradients(of: loss)
  for (name, parameter) in model.namedParameters {
    let expected = try #require(golden["\(prefix).gradient.\(name)"]).scalars
    let difference = relativeDifference(try #require(gradients[parameter.id]).scalars, expected)
    #expect(difference < 2e-4, "\(prefix) \(name)")
  }
}

@Test func nanoGPTMatchesPyTorch() throws { try expectGolden(.nanoGPT) }
@Test func nanoKimiMatchesPyTorch() throws { try expectGolden(.nanoKimi) }

@Test func parameterCountsOfTheStudy() throws {
  var generator = RandomGenerator(seed: 1)
  #expect(try Decoder(.nanoGPT(vocabularySize: 65), using: &generator).parameterCount == 209_729)
  #expect(try Decoder(.nanoKimi(vocabularySize: 65), using: &generator).parameterCount == 278_097)
}
