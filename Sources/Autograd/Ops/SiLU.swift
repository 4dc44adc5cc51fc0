internal import NanoCUDA
internal import NanoTensor

/// `y = x σ(x)`, `dy/dx = σ(x) (1 + x (1 - σ(x)))`.
enum SiLUOperation {
  struct Saved {
    let input: Tensor
  }

  static func forward(_ input: Tensor) -> Tensor {
    var output = Tensor(uninitialized: input.shape, on: input.gpu)
    if let gpu = input.gpu {
      gpu.launchActivation(
        "silu", count: input.elementCount, [input.argument, .output(&output), .long(input.elementCount)])
      return output
    }
    kernels.silu(input, into: &output)
    return output
  }

  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    var result = Tensor(uninitialized: gradient.shape, on: gradient.gpu)
    if let gpu = gradient.gpu {
      gpu.launchActivation(
        "silu_backward", count: gradient.elementCount,
        [saved.input.argument, gradient.argument, .output(&result), .long(gradient.elementCount)])
      return result
    }
    kernels.siluBackward(saved.input, gradient, into: &result)
    return result
  }
}

extension Variable {
  /// The sigmoid linear unit `x σ(x)` of every element.
  /// - SeeAlso: Elfwing, Uchibe, Doya, 2017, arXiv:1702.03118.
  public func silu() -> Variable {
    let saved = SiLUOperation.Saved(input: value)
    let node = node
    return tape.record(SiLUOperation.forward(value), inputs: self) { gradient, slots in
      slots.accumulate(SiLUOperation.backward(gradient, saved), into: node)
    }
  }
}
