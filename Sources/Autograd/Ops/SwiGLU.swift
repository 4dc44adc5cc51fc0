internal import NanoCUDA
internal import NanoPreconditions
internal import NanoTensor

/// `y = silu(u) · v` for rows `[u | v]`.
enum SwiGLUOperation {
  struct Saved {
    let input: Tensor
  }

  static func forward(_ input: Tensor) -> Tensor {
    let (rows, width) = (input.shape.rowCount, input.shape.width / 2)
    var output = Tensor(uninitialized: [rows, width], on: input.gpu)
    if let gpu = input.gpu {
      gpu.launchActivation(
        "swiglu", count: rows * width,
        [input.argument, .output(&output), input.numbers.formatArgument, .int(width), .long(rows * width)])
      return output
    }
    kernels.swiGLU(input, into: &output)
    return output
  }

  /// `du = dy · v · silu'(u)`, `dv = dy · silu(u)`
  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    var result = Tensor(uninitialized: saved.input.shape, on: gradient.gpu)
    if let gpu = gradient.gpu {
      gpu.launchActivation(
        "swiglu_backward", count: gradient.elementCount,
        [
          saved.input.argument, gradient.argument, .output(&result), .pointer(nil), gradient.numbers.formatArgument,
          .int(gradient.shape.width), .long(gradient.elementCount),
        ])
      return result
    }
    kernels.swiGLUBackward(saved.input, gradient, into: &result)
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
