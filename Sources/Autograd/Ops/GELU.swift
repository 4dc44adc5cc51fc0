internal import CNanoKernels
internal import NanoCUDA
internal import NanoTensor

/// `y = x Φ(x)`, `dy/dx = Φ(x) + x φ(x)`.
enum GELUOperation {
  struct Saved {
    let input: Tensor
  }

  static func forward(_ input: Tensor) -> Tensor {
    var output = Tensor(uninitialized: input.shape, on: input.gpu)
    if let gpu = input.gpu {
      gpu.launchActivation(
        "gelu", count: input.elementCount,
        [input.argument, output.argument, input.numbers.formatArgument, .long(input.elementCount)])
      return output
    }
    kernels.gelu(input.elements, output.mutableElements, input.elementCount, NK_FP32)
    return output
  }

  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    var result = Tensor(uninitialized: gradient.shape, on: gradient.gpu)
    if let gpu = gradient.gpu {
      gpu.launchActivation(
        "gelu_backward", count: gradient.elementCount,
        [
          saved.input.argument, gradient.argument, result.argument, .pointer(nil), gradient.numbers.formatArgument,
          .long(gradient.elementCount),
        ])
      return result
    }
    kernels.gelu_backward(
      saved.input.elements, gradient.elements, result.mutableElements, nil, gradient.elementCount,
      NK_FP32)
    return result
  }
}

extension Variable {
  /// The Gaussian error linear unit `x Φ(x)` of every element, Φ the normal distribution function (the
  /// exact form, to 2e-7; not the tanh approximation).
  /// - SeeAlso: Hendrycks, Gimpel, 2016, arXiv:1606.08415.
  public func gelu() -> Variable {
    let kept = tape.keep(self)
    let node = node
    return tape.record(GELUOperation.forward(value), inputs: self) { gradient, slots in
      let saved = GELUOperation.Saved(input: kept.tensor)
      slots.accumulate(GELUOperation.backward(gradient, saved), into: node)
    }
  }
}
