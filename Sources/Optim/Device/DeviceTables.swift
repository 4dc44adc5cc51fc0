internal import NanoCUDA
internal import NanoTensor

/// Records in the host's memory and, at the same offsets, in a GPU's: copied there in one piece.
struct DeviceTables {
  private let host: HostBuffer
  private let device: Tensor

  /// Records that blocks work on, one each.
  struct Blocks {
    let offset, count: Int
  }

  /// Records on their way into tables.
  struct Contents {
    fileprivate var bytes: [UInt8] = []

    /// Adds records; they are aligned to 16 bytes.
    /// - Returns: their offset.
    mutating func append<Record: BitwiseCopyable>(_ records: [Record]) -> Int {
      defer {
        records.withUnsafeBytes { bytes += $0 }
        bytes += repeatElement(0, count: (16 - bytes.count % 16) % 16)
      }
      return bytes.count
    }

    mutating func appendBlocks<Record: BitwiseCopyable>(_ records: [Record]) -> Blocks {
      Blocks(offset: append(records), count: records.count)
    }
  }

  init(_ contents: Contents, on gpu: CUDADevice) {
    let bytes = contents.bytes
    host = gpu.makeHostBuffer(bytes: bytes.count)
    host.memory.copyMemory(from: bytes, byteCount: bytes.count)
    device = Tensor(uninitialized: [bytes.count / MemoryLayout<Float>.stride], on: gpu)
  }

  /// Changes the record at an offset on the host.
  func store<Record: BitwiseCopyable>(_ record: Record, at offset: Int) {
    host.memory.storeBytes(of: record, toByteOffset: offset, as: Record.self)
  }

  func upload(to gpu: CUDADevice) { gpu.upload(host, to: device.numbers.start) }

  /// The GPU's address of an offset.
  func address(_ offset: Int) -> UnsafeMutableRawPointer { device.numbers.start + offset }

  /// The same, as a kernel's argument.
  func argument(_ offset: Int) -> KernelArgument { .pointer(address(offset)) }
}
