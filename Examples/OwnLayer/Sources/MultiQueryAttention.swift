import NanoLayers

/// Causal attention whose heads share one head of keys and values.
/// - SeeAlso: Shazeer, 2019, arXiv:1911.02150.
struct MultiQueryAttention: Layer {
  let headCount: Int
  /// width → width, and width → one key and one value as wide as a head.
  var query, keyValue: Linear
  var projection: Linear

  init(width: Int, headCount: Int, using generator: inout RandomGenerator) {
    self.headCount = headCount
    query = Linear(inputs: width, outputs: width, hasBias: false, using: &generator)
    keyValue = Linear(
      inputs: width, outputs: 2 * width / headCount, hasBias: false, stackedMatrices: 2, using: &generator)
    projection = Linear(inputs: width, outputs: width, using: &generator)
  }

  func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    let headWidth = query.outputCount / headCount
    let shared = keyValue(input, in: context)
    var rows = query(input, in: context)
    // Every head gets a copy; the gradients of the copies add up by themselves.
    for part in [shared.columns(0..<headWidth), shared.columns(headWidth..<2 * headWidth)] {
      for _ in 0..<headCount { rows = rows.concatenated(with: part) }
    }
    let mixed = rows.causalAttention(
      sequenceLength: context.sequenceLength, headCount: headCount, scale: 1 / Float(headWidth).squareRoot(),
      dropout: context.nextDropoutMasks(),
      observing: { context.recorder?.record(largestLogits: $0) })
    return projection(mixed, in: context)
  }

  mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try query.visitParameters(name.part("query"), visit)
    try keyValue.visitParameters(name.part("key_value"), visit)
    try projection.visitParameters(name.part("projection"), visit)
  }
}
