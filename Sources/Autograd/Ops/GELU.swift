internal import NanoCUDA
internal import NanoTensor

/// `y = x g(x)`, `dy/dx = g(x) + x g'(x)`.
enum GELUOperation {
  struct Saved {
    let input: Tensor
    let form: GELUForm
  }

  static func forward(_ input: Tensor, _ form: GELUForm) -> Tensor {
    var output = Tensor(uninitialized: input.shape, on: input.gpu)
    if let gpu = input.gpu {
      gpu.launchActivation(
        form == .exact ? "gelu" : "gelu_tanh", count: input.elementCount,
        [input.argument, .output(&output), input.numbers.formatArgument, .long(input.elementCount)])
      return output
    }
    kernels.gelu(input, tanh: form == .tanh, into: &output)
    return output
  }

  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    var result = Tensor(uninitialized: gradient.shape, on: gradient.gpu)
    if let gpu = gradient.gpu {
      gpu.launchActivation(
        saved.form == .exact ? "gelu_backward" : "gelu_tanh_backward", count: gradient.elementCount,
        [
          saved.input.argument, gradient.argument, .output(&result), .pointer(nil), gradient.numbers.formatArgument,
          .long(gradient.elementCount),
        ])
      return result
    }
    kernels.geluBackward(saved.input, gradient, tanh: saved.form == .tanh, into: &result)
    return result
  }
}

/// What a Gaussian error linear unit `x g(x)` takes for g.
public enum GELUForm: Sendable {
  /// The normal distribution function Φ, to 2e-7.
  case exact
  /// `½ (1 + tanh(√(2/π) (x + 0.044715 x³)))`, as GPT-2 has it.
  case tanh
}

extension Variable {
  /// The Gaussian error linear unit of every element.
  /// - SeeAlso: Hendrycks, Gimpel, 2016, arXiv:1606.08415.
  public func gelu(_ form: GELUForm = .exact) -> Variable {
    let kept = tape.keep(self)
    let node = node
    return tape.record(GELUOperation.forward(value, form), inputs: self) { gradient, slots in
      let saved = GELUOperation.Saved(input: kept.tensor, form: form)
      slots.accumulate(GELUOperation.backward(gradient, saved), into: node)
    }
  }
}
