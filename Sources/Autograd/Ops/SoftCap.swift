internal import NanoPreconditions
internal import NanoTensor

/// `y = c tanh(x / c)`, `dy/dx = 1 - (y / c)²`.
enum SoftCapOperation {
  struct Saved {
    let output: Tensor
    let cap: Float
  }

  static func forward(_ input: Tensor, cap: Float) -> Tensor {
    checkPrecondition(input.gpu == nil, "softCapped: \(input.shape) on \(input.device); on the host only")
    var output = Tensor(uninitialized: input.shape)
    kernels.softCap(input, at: cap, into: &output)
    return output
  }

  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    var result = Tensor(uninitialized: gradient.shape)
    kernels.softCapBackward(output: saved.output, gradient, at: saved.cap, into: &result)
    return result
  }
}

extension Variable {
  /// Every element squeezed between ±`cap`, `c tanh(x / c)`: for logits that would grow without end.
  ///
  /// Close to x where that is small beside c; accurate to about 2e-7 relative.
  /// - Precondition: a positive cap; on the host, since it is not computed on a GPU yet.
  /// - SeeAlso: Gemma Team, 2024, "Gemma 2", arXiv:2408.00118.
  public func softCapped(at cap: Float) -> Variable {
    checkPrecondition(cap > 0, "softCapped: at \(cap)")
    let output = SoftCapOperation.forward(value, cap: cap)
    let saved = SoftCapOperation.Saved(output: output, cap: cap)
    let node = node
    return tape.record(output, inputs: self) { gradient, slots in
      slots.accumulate(SoftCapOperation.backward(gradient, saved), into: node)
    }
  }
}
