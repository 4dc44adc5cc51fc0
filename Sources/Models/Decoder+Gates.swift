public import NanoLayers
public import NanoTensor

extension Decoder {
  /// The gates of every dense mixture for some tokens: rows × experts, each row of which sums to 1.
  public func gateProbabilities(for tokens: [Int32], in context: ForwardContext) -> [Tensor] {
    var (hidden, gates) = (embedded(tokens, in: context), [Tensor]())
    for block in blocks {
      let (stream, input) = block.attended(hidden, in: context)
      if case .denseMoE(let mixture) = block.feedForward {
        gates.append(mixture.gateProbabilities(input, in: context).value)
      }
      hidden = stream + block.feedForward(input, in: context)
    }
    return gates
  }
}
