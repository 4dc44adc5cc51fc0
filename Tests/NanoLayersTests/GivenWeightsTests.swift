import NanoAutograd
import NanoLayers
import NanoTensor
import TensorTestSupport
import Testing

/// What a layer gives for some rows.
private func output(_ layer: some Layer) -> [Float] {
  let tape = Tape(recording: false)
  let context = ForwardContext(tape: tape, sequenceLength: 5)
  return layer(tape.constant(wave([10, 6], frequency: 1.3)), in: context).value.scalars
}

/// Expects that two layers have parameters of the same roles and compute the same.
private func expectSame(_ one: some Layer, _ other: some Layer, sourceLocation: SourceLocation = #_sourceLocation) {
  #expect(
    one.namedParameters.map(\.parameter.role) == other.namedParameters.map(\.parameter.role),
    sourceLocation: sourceLocation)
  #expect(output(one) == output(other), sourceLocation: sourceLocation)
}

private func copy(_ layer: Linear, matrices: Int = 1, role: Parameter.Role? = nil) -> Linear {
  Linear(weight: layer.weight.value, bias: layer.bias?.value, stackedMatrices: matrices, role: role)
}

@Test func layersAreMadeFromGivenWeights() {
  var generator = RandomGenerator(seed: 9)
  let mlp = MLP(width: 6, hiddenWidth: 8, activation: .gelu, using: &generator)
  expectSame(mlp, MLP(up: copy(mlp.up), down: copy(mlp.down), activation: .gelu))

  let gated = SwiGLU(width: 6, hiddenWidth: 8, hasBias: true, initialization: .pyTorch, using: &generator)
  expectSame(gated, SwiGLU(gateUp: copy(gated.gateUp, matrices: 2), down: copy(gated.down)))

  for hasBias in [true, false] {
    let dense = DenseMoE(
      width: 6, .init(expertCount: 3, expertWidth: 4, hasBias: hasBias), using: &generator)
    expectSame(
      dense,
      DenseMoE(
        router: copy(dense.router, role: .router),
        gateUp: copy(dense.gateUp, matrices: 3, role: .expertMatrix(count: 3)), down: dense.down.value,
        downBias: dense.downBias?.value))
  }

  let sparse = SparseMoE(
    width: 6, .init(expertCount: 4, topK: 2, expertWidth: 4), initialization: .pyTorch, using: &generator)
  expectSame(
    sparse,
    SparseMoE(
      sparse.configuration, router: copy(sparse.router, role: .router), gateUp: sparse.gateUp.value,
      down: sparse.down.value, shared: sparse.shared))

  let attention = MultiHeadAttention(width: 6, .init(headCount: 3), using: &generator)
  expectSame(
    attention,
    MultiHeadAttention(
      headCount: 3, queryKeyValue: copy(attention.queryKeyValue, matrices: 3), projection: copy(attention.projection)))

  let latent = MultiHeadLatentAttention(
    width: 6, .init(headCount: 2, nopeWidth: 3, ropeWidth: 2, valueWidth: 3, keyValueRank: 4),
    rotary: RotaryEmbedding(width: 2, positionCount: 5), initialization: .pyTorch, using: &generator)
  expectSame(
    latent,
    MultiHeadLatentAttention(
      latent.configuration, rotary: latent.rotary, query: copy(latent.query),
      keyValueDown: copy(latent.keyValueDown), keyValueNorm: latent.keyValueNorm, keyValueUp: copy(latent.keyValueUp),
      projection: copy(latent.projection)))
}

#if compiler(>=6.2)
  @Test func givenWeightsThatDoNotFitAreNamedWithTheirShapes() async throws {
    let linear = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Linear(weight: Tensor(zeros: [3, 2]), bias: Tensor(zeros: [2]))
    }
    let mlp = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let up = Linear(weight: Tensor(zeros: [8, 6]))
      _ = MLP(up: up, down: Linear(weight: Tensor(zeros: [6, 7])), activation: .relu)
    }
    let mixture = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = DenseMoE(
        router: Linear(weight: Tensor(zeros: [3, 6])), gateUp: Linear(weight: Tensor(zeros: [24, 6])),
        down: Tensor(zeros: [3, 6, 5]))
    }
    let attention = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = MultiHeadAttention(
        headCount: 2, queryKeyValue: Linear(weight: Tensor(zeros: [12, 6])),
        projection: Linear(weight: Tensor(zeros: [6, 6])))
    }
    for (result, shapes) in [
      (linear, ["[3×2]", "[2]"]), (mlp, ["[8×6]", "[6×7]"]), (mixture, ["[3×6]", "[24×6]", "[3×6×5]"]),
      (attention, ["[12×6]", "[6×6]"]),
    ] {
      let error = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
      for shape in shapes { #expect(error.contains(shape), "\(error)") }
    }
  }
#endif
