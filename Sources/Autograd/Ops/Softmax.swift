internal import NanoCUDA
internal import NanoTensor

/// `y_j = exp(x_j) / Σ exp(x)` over each row; `dx = y · (dy - <y, dy>)`.
enum SoftmaxOperation {
  struct Saved {
    let output: Tensor
  }

  static func forward(_ input: Tensor) -> Tensor {
    var output = Tensor(uninitialized: input.shape, on: input.gpu)
    if let gpu = input.gpu {
      launch("softmax", on: gpu, rowsOf: input, [input.argument, .output(&output)])
      return output
    }
    kernels.softmax(input, into: &output)
    return output
  }

  static func backward(_ gradient: Tensor, _ saved: Saved) -> Tensor {
    var result = Tensor(uninitialized: gradient.shape, on: gradient.gpu)
    if let gpu = gradient.gpu {
      launch(
        "softmax_backward", on: gpu, rowsOf: gradient,
        [saved.output.argument, gradient.argument, .output(&result)])
      return result
    }
    kernels.softmaxBackward(output: saved.output, gradient, into: &result)
    return result
  }

  /// A block a row.
  private static func launch(
    _ name: String, on gpu: CUDADevice, rowsOf tensor: Tensor, _ arguments: [KernelArgument]
  ) {
    let width = tensor.shape.width
    gpu.launch(
      Kernel("activations", name), blocks: tensor.shape.rowCount,
      threads: min(1024, (width + 31) / 32 * 32), arguments + [.int(width)])
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
