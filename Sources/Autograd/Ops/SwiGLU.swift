internal import CNanoKernels
internal import NanoTensor

/// `y = silu(u) · v` for rows `[u | v]`.
enum SwiGLUOperation {
  struct Saved {
    let input: Tensor
    let width: Int
  }

  /// - Parameter width: elements of u (and of v); each row of the input may hold several `[u | v]`.
  static func forward(_ input: Tensor, width: Int) -> Tensor {
    var output = Tensor(uninitialized: [input.shape.rowCount, input.shape.width / 2])
    kernels.swiglu(
      input.elements, output.mutableElements, input.elementCount / (2 * width), width)
    return output
  }

  /// `du = dy · v · silu'(u)`, `dv = dy · silu(u)`
  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    var result = Tensor(uninitialized: saved.input.shape)
    kernels.swiglu_backward(
      saved.input.elements, gradient.elements, result.mutableElements,
      saved.input.elementCount / (2 * saved.width), saved.width)
    return result
  }
}

extension Variable {
  /// The gated activation `silu(first half) · second half`.
  /// - Parameter groupCount: how many `[u | v]` pairs each row holds side by side; the outputs of
  ///   stacked experts are such groups.
  /// - Returns: half as many columns.
  /// - SeeAlso: Shazeer, 2020, arXiv:2002.05202.
  public func swiGLU(groupCount: Int = 1) -> Variable {
    precondition(
      groupCount > 0 && shape.width % (2 * groupCount) == 0,
      "swiGLU: \(shape), \(groupCount) groups")
    let width = shape.width / (2 * groupCount)
    let kept = tape.keep(value)
    let node = node
    return tape.record(SwiGLUOperation.forward(value, width: width), inputs: self) {
      gradient, slots in
      let saved = SwiGLUOperation.Saved(input: kept.tensor, width: width)
      slots.accumulate(SwiGLUOperation.backward(gradient, saved), into: node)
    }
  }
}
