import NanoTensor
import TensorTestSupport
import Testing

private func product(
  _ x: Tensor, _ weight: Tensor, in weights: PackedWeights?, _ precision: Precision
) -> [Float] {
  let result: Tensor = matmul(
    x.matrix, weight.matrix.packed(in: weights, of: weight).transposed, precision: precision)
  return result.scalars
}

@Test(arguments: Precision.allCases)
func productsOfSharedWeightsHaveTheSameBits(precision: Precision) {
  let weights = PackedWeights()
  let weight = wave([70, 40], frequency: 1.1)
  for rows in [1, 5, 40] {  // the first packs, the others find it packed
    let x = wave([rows, 40], frequency: 0.7)
    #expect(product(x, weight, in: weights, precision) == product(x, weight, in: nil, precision))
  }
}

/// A weight is found packed as it is used: its other way round, and a part of it, are other operands.
@Test func partsOfSharedWeightsAreOperandsOfTheirOwn() {
  let weights = PackedWeights()
  let weight = wave([48, 48], frequency: 1.1)
  let x = wave([9, 48], frequency: 0.7)
  let views = [weight.matrix, weight.matrix.transposed].map { $0.packed(in: weights, of: weight) }
  let part = weight.matrix(columns: 0..<16)
  for view in views + [part.packed(in: weights, of: weight)] {
    let shared: Tensor = matmul(x.matrix, view, precision: .bfloat16)
    let own: Tensor = matmul(x.matrix, view.packed(in: nil, of: weight), precision: .bfloat16)
    #expect(shared.scalars == own.scalars)
  }
}

@Test func changedWeightsArePackedAnew() {
  let weights = PackedWeights()
  let x = wave([5, 40], frequency: 0.7)
  var weight = wave([70, 40], frequency: 1.1)
  let before = product(x, weight, in: weights, .bfloat16)
  weight += wave([70, 40], frequency: 0.3)
  let after = product(x, weight, in: weights, .bfloat16)
  #expect(after == product(x, weight, in: nil, .bfloat16))
  #expect(after != before)
}
