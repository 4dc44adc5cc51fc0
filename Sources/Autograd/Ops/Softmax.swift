internal import CNanoKernels
internal import NanoTensor

/// `y_j = exp(x_j) / Σ exp(x)` over each row; `dx = y · (dy - <y, dy>)`.
enum SoftmaxOperation {
  struct Saved {
    let output: Tensor
  }

  static func forward(_ input: Tensor) -> Tensor {
    var output = Tensor(uninitialized: input.shape)
    kernels.softmax(
      input.elements, output.mutableElements, input.shape.rowCount, input.shape.width)
    return output
  }

  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    var result = Tensor(uninitialized: gradient.shape)
    kernels.softmax_backward(
      saved.output.elements, gradient.elements, result.mutableElements, gradient.shape.rowCount,
      gradient.shape.width)
    return result
  }
}

extension Variable {
  /// Softmax over the innermost axis, shifted by the row's maximum so that it cannot overflow.
  public func softmax() -> Variable {
    let output = SoftmaxOperation.forward(value)
    let saved = SoftmaxOperation.Saved(output: output)
    let node = node
    return tape.record(output, inputs: self) { gradient, slots in
      slots.accumulate(SoftmaxOperation.backward(gradient, saved), into: node)
    }
  }
}
