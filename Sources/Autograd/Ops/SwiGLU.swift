internal import CNanoKernels
internal import NanoPreconditions
internal import NanoTensor

/// `y = silu(u) · v` for rows `[u | v]`.
enum SwiGLUOperation {
  struct Saved {
    let input: Tensor
  }

  static func forward(_ input: Tensor) -> Tensor {
    let (rows, width) = (input.shape.rowCount, input.shape.width / 2)
    var output = Tensor(uninitialized: [rows, width])
    kernels.swiglu(input.elements, output.mutableElements, rows, width, NK_FP32)
    return output
  }

  /// `du = dy · v · silu'(u)`, `dv = dy · silu(u)`
  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    var result = Tensor(uninitialized: saved.input.shape)
    kernels.swiglu_backward(
      saved.input.elements, gradient.elements, result.mutableElements, nil,
      gradient.shape.rowCount, gradient.shape.width, NK_FP32)
    return result
  }
}

extension Variable {
  /// The gated activation `silu(first half) · second half`.
  /// - Returns: half as many columns.
  /// - SeeAlso: Shazeer, 2020, arXiv:2002.05202.
  public func swiGLU() -> Variable {
    checkPrecondition(shape.width % 2 == 0, "swiGLU: \(shape)")
    let kept = tape.keep(self)
    let node = node
    return tape.record(SwiGLUOperation.forward(value), inputs: self) { gradient, slots in
      let saved = SwiGLUOperation.Saved(input: kept.tensor)
      slots.accumulate(SwiGLUOperation.backward(gradient, saved), into: node)
    }
  }
}
