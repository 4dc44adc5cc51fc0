import Foundation
import NanoAutograd
import NanoLayers
import NanoModels
import NanoTensor
import NanoTestSupport
import Testing

@Test func parameterCountsOfTheStudy() throws {
  var generator = RandomGenerator(seed: 1)
  let configuration = CharacterModelConfiguration(vocabularySize: 65)
  #expect(try NanoGPT(configuration, using: &generator).parameterCount == 209_729)
  #expect(try NanoKimi(configuration, using: &generator).parameterCount == 278_097)
}

private func expectGolden<Model: LanguageModel>(_ type: Model.Type) throws
where Model.Configuration == CharacterModelConfiguration {
  let golden = try Fixture.load("character_models")
  let model = try goldenModel(type)
  let inputs = (0..<32).map { (i: Int) -> Int32 in Int32((i * 7 + i * i * 3) % 13) }
  let targets = (0..<32).map { (i: Int) -> Int32 in Int32((i * 5 + i * i * 2 + 1) % 13) }
  let tape = Tape()
  let logits = model.logits(for: inputs, sequenceLength: 8, on: tape)
  let prefix = Model.identifier
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

@Test func nanoGPTMatchesPyTorch() throws { try expectGolden(NanoGPT.self) }
@Test func nanoKimiMatchesPyTorch() throws { try expectGolden(NanoKimi.self) }

@Test func contradictorySizesAreRefused() {
  var generator = RandomGenerator(seed: 1)
  for configuration in [
    CharacterModelConfiguration(vocabularySize: 65, width: 63),
    CharacterModelConfiguration(vocabularySize: 65, layerCount: 0),
    CharacterModelConfiguration(vocabularySize: 65, width: 16_384, layerCount: 1024),
  ] {
    #expect(throws: ConfigurationError.self) { try NanoGPT(configuration, using: &generator) }
  }
}

@Test func absurdSizesOfNanoKimiK2AreRefused() {
  let sound = NanoKimiK2Configuration(size: .tiny, vocabularySize: 65, contextLength: 32)
  let changes: [(part: String, change: (inout NanoKimiK2Configuration) -> Void)] = [
    ("layers", { $0.layerCount = 0 }), ("rope-dim", { $0.attention.rotaryWidth = 7 }),
    ("attention's context", { $0.attention.contextLength = 1 << 40 }),
    ("experts-per-token", { $0.mixture.chosenCount = 9 }), ("dense-layers", { $0.denseLayerCount = 5 }),
    ("disagree", { $0.mixture.modelWidth = 65 }),
  ]
  #expect(throws: Never.self) { try sound.validate() }
  for (part, change) in changes {
    var configuration = sound
    change(&configuration)
    #expect { try configuration.validate() } throws: { "\($0)".contains(part) }
  }
}

@Test func weightsRoundTripAndMismatchesAreNamed() throws {
  let model = try goldenModel(NanoKimi.self)
  var tensors = try Safetensors.decode(Safetensors.encode(model.weights))
  var other = try goldenModel(NanoKimi.self)
  try other.loadWeights(tensors)
  #expect(other.weights.map(\.tensor.scalars) == model.weights.map(\.tensor.scalars))
  tensors["head.bias"] = Tensor(zeros: [12])
  #expect { try other.loadWeights(tensors) } throws: {
    "\($0)".contains("'head.bias' has shape [12]")
  }
  tensors["head.bias"] = nil
  #expect { try other.loadWeights(tensors) } throws: { "\($0)".contains("'head.bias' is missing") }
}

@Test func damagedSafetensorsAreRefused() {
  func file(_ header: String, bytes: Int) -> Data {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8)
      + Data(count: bytes)
  }
  let bad = [
    Data([1, 2, 3]),
    Data(repeating: 0xFF, count: 16),
    file("not json", bytes: 0),
    file(#"{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#, bytes: 8),
    file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, bytes: 8),
    file(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, bytes: 8),
    file(#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, bytes: 8),
    file(#"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}"#, bytes: 8),
    file(
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
      bytes: 12),
  ]
  for data in bad { #expect(throws: Safetensors.FormatError.self) { try Safetensors.decode(data) } }
}

@Test func sixteenBitSafetensorsAreRead() throws {
  let header =
    #"{"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]}}"#
  let words: [UInt16] = [0x3C00, 0xC100, 0x0001, 0x7C00, 0x3F80, 0xC049]
  let data =
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8)
    + words.withUnsafeBytes { Data($0) }
  let tensors = try Safetensors.decode(data)
  #expect(tensors["a"]?.scalars == [1, -2.5, 0x1p-24, .infinity])
  #expect(tensors["b"]?.scalars == [1, -3.140625])
}
