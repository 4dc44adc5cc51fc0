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

extension Tensor {
  /// The address of the elements, as a kernel's argument.
  package var argument: KernelArgument { .pointer(numbers.start) }
}

extension Numbers {
  /// Writes `count` numbers of any format here, on a GPU.
  package func convert(from source: Numbers, count: Int) {
    gpu?.launchElementwise(
      "convert_elements", count: count,
      [source.argument, source.formatArgument, argument, formatArgument, .long(count)])
  }

  /// The address, as a kernel's argument.
  package var argument: KernelArgument { .pointer(start) }

  /// The format, as a kernel's argument.
  package var formatArgument: KernelArgument { .int(Int(deviceFormat.rawValue)) }

  /// - Precondition: a format that GPUs have here.
  package var deviceFormat: DeviceFormat {
    checkPrecondition(dtype != .float16, "fp16 is not computed on a GPU; use bf16")
    return dtype == .float32 ? .float32 : .bfloat16
  }
}
