public import NanoAutograd
internal import NanoTensor

/// A pre-norm transformer block: `x + attention(norm(x))`, then `x + mixer(norm(x))`, with the context's dropout
/// on what is added.
public struct DecoderBlock<Norm: Layer, Attention: Layer, Mixer: Layer>: Layer {
  public var attentionNorm: Norm
  public var attention: Attention
  public var mixerNorm: Norm
  /// What works on each position by itself: a feed-forward network or a mixture of experts.
  public var mixer: Mixer

  public init(attentionNorm: Norm, attention: Attention, mixerNorm: Norm, mixer: Mixer) {
    self.attentionNorm = attentionNorm
    self.attention = attention
    self.mixerNorm = mixerNorm
    self.mixer = mixer
  }

  public func callAsFunction(_ input: Variable, in context: ForwardContext) -> Variable {
    let attended =
      input + context.dropped(attention(attentionNorm(input, in: context), in: context))
    return attended + context.dropped(mixer(mixerNorm(attended, in: context), in: context))
  }

  public mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try attentionNorm.visitParameters(name.part("attention_norm"), visit)
    try attention.visitParameters(name.part("attention"), visit)
    try mixerNorm.visitParameters(name.part("mixer_norm"), visit)
    try mixer.visitParameters(name.part("mixer"), visit)
  }
}
