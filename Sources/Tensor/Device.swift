public import NanoCUDA
internal import Synchronization

/// Where a tensor's elements lie, and so where operations on it run.
///
/// ```swift
/// let gpu = try Device.cuda()
/// let y = x.on(gpu) * 2  // computed on the GPU
/// print(y.scalars)       // copied back
/// ```
///
/// Operands of an operation lie on one device. A GPU is used through NVIDIA's driver, its run-time compiler and
/// its matrix products, which are opened when a GPU is first asked for; nothing is linked.
public struct Device: Sendable, Hashable, CustomStringConvertible {
  /// Nil for the host.
  package let gpu: CUDADevice?

  package init(_ gpu: CUDADevice?) { self.gpu = gpu }

  /// The host's processor.
  public static let cpu = Device(nil)

  /// The first CUDA device, opened once a process.
  /// - Throws: what is missing: a library, a device, or one that is new enough.
  public static func cuda() throws(CUDAError) -> Device {
    let result = first.withLock { first in
      if let first { return first }
      let opened: Result<CUDADevice, CUDAError>
      do throws(CUDAError) { opened = .success(try CUDADevice()) } catch { opened = .failure(error) }
      first = opened
      return opened
    }
    return Device(try result.get())
  }

  /// The same GPU with a stream and memory of its own: work on it runs beside work on this one, and tensors of the one
  /// are moved to the other through the host. The CPU stays what it is.
  /// - Throws: what the driver refuses.
  public func onNewStream() throws(CUDAError) -> Device {
    guard let gpu else { return self }
    let other = Device(try CUDADevice())
    other.allowsTF32 = gpu.allowsTF32
    return other
  }

  private static let first = Mutex<Result<CUDADevice, CUDAError>?>(nil)

  /// Whether it is the host.
  public var isCPU: Bool { gpu == nil }

  /// Bytes that tensors hold on a GPU now, and the most that they held at once; nil for the host, whose
  /// ``MemoryPool`` counts.
  public var memory: (currentBytes: Int, peakBytes: Int)? {
    gpu.map { ($0.statistics.currentBytes, $0.statistics.peakBytes) }
  }

  /// Whether operations in a precision run here.
  public func supports(_ precision: Precision) -> Bool {
    isCPU || precision != .float16
  }

  /// On a GPU, whether float32 products may round their operands to TF32, 10 bits of precision.
  public var allowsTF32: Bool {
    get { gpu?.allowsTF32 ?? false }
    nonmutating set { gpu?.allowsTF32 = newValue }
  }

  /// The most bytes that tensors may hold on a GPU in work that can be given up; nil for what it has.
  public var memoryLimit: Int? {
    get { gpu?.limit }
    nonmutating set { gpu?.limit = newValue }
  }

  /// Starts a new measurement of the most bytes held at once.
  public func resetPeak() { gpu?.resetPeak() }

  /// Runs `body`, waiting for every launch on a GPU, and tells where its time went: kernels and products by name, how
  /// often they ran and their milliseconds, the longest first. Empty for the host.
  public func profiling(
    _ body: () throws -> Void
  ) rethrows -> [(name: String, count: Int, milliseconds: Double)] {
    guard let gpu else {
      try body()
      return []
    }
    return try gpu.profiling(body).sorted.map { ($0.name, $0.count, $0.milliseconds) }
  }

  /// Waits until all work on a GPU is done.
  public func synchronize() { gpu?.synchronize() }

  /// Throws what went wrong on a GPU since it was last asked.
  public func check() throws(CUDAError) { try gpu?.check() }

  /// Runs work that can be given up when it needs more memory than may be had; see
  /// ``MemoryPool/enforcingLimit(_:)``.
  public func enforcingMemoryLimit<Result>(_ body: () -> Result) -> (result: Result, needed: Int?) {
    gpu?.enforcingLimit(body) ?? MemoryPool.shared.enforcingLimit(body)
  }

  /// `cpu`, or the GPU's name.
  public var description: String { gpu?.name ?? "cpu" }

  public static func == (left: Device, right: Device) -> Bool { left.gpu === right.gpu }

  public func hash(into hasher: inout Hasher) { hasher.combine(gpu.map(ObjectIdentifier.init)) }
}

extension Tensor {
  /// A copy of the elements of several tensors, waiting once for a GPU on which all lie.
  package static func scalars(of tensors: [Tensor]) -> [[Float]] {
    guard let gpu = tensors.first?.gpu, tensors.allSatisfy({ $0.gpu === gpu }) else { return tensors.map(\.scalars) }
    let size = MemoryLayout<Float>.stride
    let bytes = gpu.download(tensors.map { (UnsafeRawPointer($0.numbers.start), $0.elementCount * size) })
    return bytes.withUnsafeBytes { raw in
      let all = raw.bindMemory(to: Float.self)
      var start = 0
      return tensors.map { tensor in
        defer { start += tensor.elementCount }
        return Array(all[start..<start + tensor.elementCount])
      }
    }
  }

  /// Where the elements lie.
  public var device: Device { Device(gpu) }

  /// The same elements on a device: this tensor itself if they are there already.
  public func on(_ device: Device) -> Tensor {
    guard device != self.device else { return self }
    var result = Tensor(uninitialized: shape, on: device.gpu)
    let bytes = elementCount * MemoryLayout<Float>.stride
    if let gpu = device.gpu {
      let host = on(.cpu)
      result.withMutableNumbers { gpu.upload(host.elements, to: $0.numbers.start, bytes: bytes) }
    } else if let gpu {
      result.withMutableNumbers { gpu.download(numbers.start, to: $0.host, bytes: bytes) }
    }
    return result
  }
}

extension WorkerPool {
  /// Runs `body` for every index: in parallel on the host, one after another where a GPU does the work.
  package func run(_ count: Int, on device: Device, _ body: @Sendable (Int) -> Void) {
    if device.isCPU { run(count, body) } else { for index in 0..<count { body(index) } }
  }
}
