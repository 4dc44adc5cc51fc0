internal import NanoCUDA
internal import NanoTensor

extension CUDADevice {
  /// Launches a kernel of activations.cu, four numbers a thread.
  func launchActivation(_ name: String, count: Int, _ arguments: [KernelArgument]) {
    let threads = 256
    launch(
      Kernel("activations", name), blocks: (count + 4 * threads - 1) / (4 * threads), threads: threads, arguments)
  }

  /// Launches a kernel of norms.cu that works on a row a warp.
  func launchRows(_ kernel: Kernel, rows: Int, _ arguments: [KernelArgument]) {
    launch(kernel, blocks: (rows + 3) / 4, threads: 128, arguments)
  }

  /// The sum over all rows, a number a column.
  func rowSums(of rows: Activation, shape: Shape) -> Tensor {
    let (count, width) = (rows.shape.rowCount, rows.shape.width)
    let parts = partCount(rows: count)
    var partial = Tensor(uninitialized: [parts, width], on: self)
    launch(
      Kernel("norms", "row_sums"), grid: (columnBlocks(width), parts, 1), threads: 256,
      [rows.numbers.argument, rows.numbers.formatArgument, .output(&partial), .int(count), .int(width)])
    var result = Tensor(uninitialized: shape, on: self)
    var none: Tensor?
    sumPartials(partial, into: &result, &none)
    return result
  }

  /// The sums over the rows of `partial`; of the columns behind those of the first result into the second.
  private func sumPartials(_ partial: Tensor, into first: inout Tensor, _ second: inout Tensor?) {
    let width = first.elementCount
    launch(
      Kernel("norms", "sum_partials"), blocks: (width + 31) / 32, threads: 1024,
      [
        partial.argument, .output(&first), .output(&second), .int(partial.shape.rowCount), .int(width),
      ])
  }

  /// The gradients behind a norm of rows; `statistics` are one or two numbers a row, and `other` is added to the input's,
  /// which is also rounded to `format` if there is one: what comes next, behind a residual connection, are products.
  func normGradients(
    _ kernel: String, _ x: Numbers, gain: Tensor, statistics: Tensor, _ dy: Numbers, adding other: Tensor?,
    shape: Shape, format: HalfTensor.Format?, hasBias: Bool
  ) -> (input: Activation, gain: Tensor, bias: Tensor?) {
    let (rows, width) = (shape.rowCount, shape.width)
    var input = Tensor(uninitialized: shape, on: self)
    var rounded = format.map { HalfTensor(uninitialized: shape, format: $0, on: self) }
    // Sums of the gain's gradient, and of the bias's where there is one, of as many rows at a time as a block has warps.
    let sumCount = hasBias ? 2 * width : width
    let sumBytes = sumCount * MemoryLayout<Float>.stride
    let (parts, warps) = (max(1, min(512, rows / 32)), max(1, min(8, 96 << 10 / sumBytes)))
    var partial = Tensor(uninitialized: [parts, sumCount], on: self)
    launch(
      Kernel("norms", kernel), blocks: parts, threads: 32 * warps, sharedBytes: warps * sumBytes,
      [
        x.argument, x.formatArgument, gain.argument, statistics.argument, dy.argument, dy.formatArgument,
        other?.argument ?? .pointer(nil), .output(&input), .output(&rounded), .output(&partial),
        .int(rows), .int(width),
      ])
    var gainGradient = Tensor(uninitialized: gain.shape, on: self)
    var biasGradient = hasBias ? Tensor(uninitialized: gain.shape, on: self) : nil
    sumPartials(partial, into: &gainGradient, &biasGradient)
    return (rounded.map { .both(input, $0) } ?? .whole(input), gainGradient, biasGradient)
  }

  /// Into how many parts a sum over rows is split.
  private func partCount(rows: Int) -> Int { max(1, min(128, rows / 64)) }

  /// Blocks beside each other in a sum over rows.
  private func columnBlocks(_ width: Int) -> Int { width % 4 == 0 ? (width + 127) / 128 : (width + 31) / 32 }
}

extension Tensor {
  /// This tensor times a scalar tensor, which on a GPU the host does not read.
  func scaled(by scalar: Tensor) -> Tensor {
    guard let gpu else { return self * scalar.scalar }
    var result = Tensor(uninitialized: shape, on: gpu)
    gpu.launchElementwise(
      "scale_by", count: elementCount, [argument, scalar.argument, .float(1), .output(&result), .long(elementCount)])
    return result
  }

  /// Multiplies this tensor, which lies on a GPU, by a scalar there: in place if nobody else holds it.
  mutating func scale(by scalar: Tensor) {
    let count = elementCount
    gpu?.launchElementwise(
      "scale_by", count: count, [argument, scalar.argument, .float(1), .output(&self), .long(count)])
  }

  /// A tensor of this scalar everywhere.
  func broadcast(to shape: Shape) -> Tensor {
    guard let gpu else { return Tensor(repeating: scalar, shape: shape) }
    var result = Tensor(uninitialized: shape, on: gpu)
    gpu.launchElementwise(
      "fill_by", count: shape.elementCount, [argument, .float(1), .output(&result), .long(shape.elementCount)])
    return result
  }

  /// The sum of all elements, as a scalar on the GPU.
  func sum(on gpu: CUDADevice) -> Tensor {
    var result = Tensor(uninitialized: [], on: gpu)
    gpu.launch(
      Kernel("elementwise", "sum_elements"), blocks: 1, threads: 1024,
      [argument, .output(&result), .long(elementCount)])
    return result
  }
}
