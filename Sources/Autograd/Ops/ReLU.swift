internal import CNanoKernels
internal import NanoTensor

/// `y = max(x, 0)`; the gradient passes where y > 0.
enum ReLUOperation {
  struct Saved {
    let output: Tensor
  }

  static func forward(_ input: Tensor) -> Tensor {
    var output = Tensor(uninitialized: input.shape)
    kernels.relu(input.elements, output.mutableElements, input.elementCount, NK_FP32)
    return output
  }

  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    var result = Tensor(uninitialized: gradient.shape)
    kernels.relu_backward(
      saved.output.elements, gradient.elements, result.mutableElements, gradient.elementCount,
      NK_FP32)
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
