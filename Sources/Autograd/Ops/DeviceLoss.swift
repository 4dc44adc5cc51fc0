internal import NanoCUDA
internal import NanoTensor

/// The mean negative log likelihood of rows of logits on a GPU, added up block by block of rows.
struct DeviceLoss {
  private let gpu: CUDADevice
  private let targets: DeviceIndices
  private let count: Int
  /// How many targets are classes.
  private var counted: Tensor
  private var losses: Tensor

  init(targets: [Int32], on gpu: CUDADevice) {
    self.gpu = gpu
    self.targets = DeviceIndices(targets, on: gpu)
    count = targets.count
    counted = Tensor(uninitialized: [], on: gpu)
    losses = Tensor(uninitialized: [targets.count], on: gpu)
    gpu.launch(
      Kernel("cross_entropy", "count_targets"), blocks: 1, threads: 1024,
      [self.targets.argument, .output(&counted), .int(count)])
  }

  /// The losses of rows, whose logits lie `stride` apart, and the gradient of the mean loss if it is wanted: in the
  /// format of the logits, whose place it may take.
  mutating func addRows(
    _ rows: Range<Int>, logits: Numbers, classes: Int, stride: Int, gradient: MutableNumbers?
  ) {
    losses.withMutableNumbers { losses in
      gpu.launch(
        Kernel("cross_entropy", "cross_entropy"), blocks: rows.count, threads: Self.threads(classes: classes),
        [
          logits.argument, logits.formatArgument, targets.argument(from: rows.lowerBound), counted.argument,
          losses.advanced(by: rows.lowerBound).numbers.argument, gradient?.numbers.argument ?? .pointer(nil),
          .int(classes), .long(stride),
        ])
    }
  }

  /// A row is read twice. The largest blocks keep the rows that are worked on at once in the device's cache.
  private static func threads(classes: Int) -> Int { classes < 512 ? 128 : classes < 16_384 ? 512 : 1024 }

  /// The mean over the rows that count.
  func mean() -> Tensor {
    var loss = Tensor(uninitialized: [], on: gpu)
    gpu.launch(
      Kernel("cross_entropy", "mean_loss"), blocks: 1, threads: 1024,
      [losses.argument, counted.argument, .output(&loss), .int(count)])
    return loss
  }
}
