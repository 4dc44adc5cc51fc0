/// A kernel by name: a function of a file in Kernels, perhaps one that the file makes on demand.
package struct Kernel: Hashable, Sendable {
  /// The file, without its ending.
  package var file: String
  package var name: String
  /// A line that is added to the file so that it makes the kernel, such as `ATTENTION(64, 64)`; empty for none.
  package var instance: String

  package init(_ file: String, _ name: String, instance: String = "") {
    self.file = file
    self.name = name
    self.instance = instance
  }
}

/// What a kernel is given.
package enum KernelArgument {
  case pointer(UnsafeRawPointer?)
  case int(Int)
  case long(Int)
  case float(Float)
  case double(Double)

  /// The argument's bytes, in 8.
  var bits: UInt64 {
    switch self {
    case .pointer(let address): UInt64(UInt(bitPattern: address))
    case .int(let value): UInt64(UInt32(bitPattern: Int32(value)))
    case .long(let value): UInt64(bitPattern: Int64(value))
    case .float(let value): UInt64(value.bitPattern)
    case .double(let value): value.bitPattern
    }
  }
}
