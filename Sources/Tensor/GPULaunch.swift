package import NanoCUDA
internal import NanoPreconditions

extension CUDADevice {
  /// Launches a kernel of elementwise.cu, four numbers a thread.
  package func launchElementwise(_ name: String, count: Int, _ arguments: [KernelArgument]) {
    let threads = 256
    launch(
      Kernel("elementwise", name), blocks: (count + 4 * threads - 1) / (4 * threads), threads: threads, arguments)
  }
}

extension KernelArgument {
  /// The address of numbers that the kernel writes. They are copied first where they are shared.
  package static func output(_ tensor: inout some TensorProtocol) -> KernelArgument {
    tensor.makeUnshared()
    return tensor.numbers.argument
  }

  /// The same of what may not be wanted: a null pointer where it is not.
  package static func output<Output: TensorProtocol>(_ tensor: inout Output?) -> KernelArgument {
    tensor?.makeUnshared()
    return tensor?.numbers.argument ?? .pointer(nil)
  }

  /// The address of whole numbers that the kernel writes.
  package static func output(_ indices: inout DeviceIndices) -> KernelArgument { indices.output }
}

extension Tensor {
  /// The address of the elements, as the argument of a kernel that reads them.
  package var argument: KernelArgument { .pointer(numbers.start) }
}

extension Numbers {
  /// Writes `count` numbers of any format here, on a GPU.
  package func convert(from source: Numbers, count: Int) {
    gpu?.launchElementwise(
      "convert_elements", count: count,
      [source.argument, source.formatArgument, argument, formatArgument, .long(count)])
  }

  /// The address, as the argument of a kernel that reads them.
  package var argument: KernelArgument { .pointer(start) }

  /// The format, as a kernel's argument.
  package var formatArgument: KernelArgument { .int(Int(deviceFormat.rawValue)) }

  /// - Precondition: a format that GPUs have here.
  package var deviceFormat: DeviceFormat {
    checkPrecondition(dtype != .float16, "fp16 is not computed on a GPU; use bf16")
    return dtype == .float32 ? .float32 : .bfloat16
  }
}
