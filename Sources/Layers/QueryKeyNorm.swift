public import NanoAutograd
internal import NanoTensor

extension Variable {
  /// The norm of every head of every row, heads side by side.
  func normalizingHeads(_ norm: RMSNorm, in context: ForwardContext) -> Variable {
    let (shape, headWidth) = (shape, norm.gain.value.elementCount)
    let heads = reshaped([shape.elementCount / headWidth, headWidth])
    return norm(heads, in: context).reshaped([shape.rowCount, shape.width])
  }
}

extension RotaryEmbedding {
  /// No rotation at all, for models whose positions are learned.
  public static func none(width: Int, positionCount: Int) -> RotaryEmbedding {
    RotaryEmbedding(width: width, positionCount: positionCount, scaling: .linear(factor: .infinity))
  }
}
