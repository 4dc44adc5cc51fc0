internal import NanoCUDA
internal import NanoTensor

/// `y = max(x, 0)`; the gradient passes where y > 0.
enum ReLUOperation {
  struct Saved {
    let output: Tensor
  }

  static func forward(_ input: Tensor) -> Tensor {
    var output = Tensor(uninitialized: input.shape, on: input.gpu)
    if let gpu = input.gpu {
      gpu.launchActivation(
        "relu", count: input.elementCount,
        [input.argument, .output(&output), input.numbers.formatArgument, .long(input.elementCount)])
      return output
    }
    kernels.relu(input, into: &output)
    return output
  }

  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    var result = Tensor(uninitialized: gradient.shape, on: gradient.gpu)
    if let gpu = gradient.gpu {
      gpu.launchActivation(
        "relu_backward", count: gradient.elementCount,
        [
          saved.output.argument, gradient.argument, .output(&result), gradient.numbers.formatArgument,
          .long(gradient.elementCount),
        ])
      return result
    }
    kernels.reluBackward(output: saved.output, gradient, into: &result)
    return result
  }
}

extension Variable {
  /// The rectifier `max(x, 0)` of every element; derivative 0 at 0, as PyTorch has it.
  public func relu() -> Variable {
    let output = ReLUOperation.forward(value)
    let saved = ReLUOperation.Saved(output: output)
    let node = node
    return tape.record(output, inputs: self) { gradient, slots in
      slots.accumulate(ReLUOperation.backward(gradient, saved), into: node)
    }
  }
}
