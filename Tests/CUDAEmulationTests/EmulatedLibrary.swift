import Foundation

/// The functions of the emulation's library, called as CUDA's would be.
struct EmulatedLibrary {
  typealias Handle = UnsafeMutableRawPointer
  typealias Address = UInt64

  static let path = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    .appendingPathComponent("libCUDAEmulation.so").path
  static var isBuilt: Bool { FileManager.default.fileExists(atPath: path) }

  private let library: UnsafeMutableRawPointer
  let stream: Handle

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Opened, with a context and a stream.
  init() throws {
    guard let library = dlopen(Self.path, RTLD_NOW | RTLD_LOCAL) else {
      throw Failure(description: String(cString: dlerror()))
    }
    self.library = library
    let open = { (name: String) in dlsym(library, name)! }
    var (context, stream): (Handle?, Handle?)
    let statuses = [
      unsafeBitCast(open("cuInit"), to: (@convention(c) (UInt32) -> Int32).self)(0),
      unsafeBitCast(
        open("cuDevicePrimaryCtxRetain"), to: (@convention(c) (UnsafeMutablePointer<Handle?>, Int32) -> Int32).self)(
          &context, 0),
      unsafeBitCast(open("cuCtxSetCurrent"), to: (@convention(c) (Handle?) -> Int32).self)(context),
      unsafeBitCast(
        open("cuStreamCreate"), to: (@convention(c) (UnsafeMutablePointer<Handle?>, UInt32) -> Int32).self)(&stream, 1),
    ]
    guard statuses.allSatisfy({ $0 == 0 }), let stream else { throw Failure(description: "opening: \(statuses)") }
    self.stream = stream
  }

  func function<Function>(_ name: String, as type: Function.Type) -> Function {
    unsafeBitCast(dlsym(library, name)!, to: type)
  }

  // MARK: Memory

  func allocate(bytes: Int) -> (status: Int32, address: Address) {
    var address: Address = 0
    let status = function(
      "cuMemAlloc_v2", as: (@convention(c) (UnsafeMutablePointer<Address>, Int) -> Int32).self)(&address, bytes)
    return (status, address)
  }

  func free(_ address: Address) -> Int32 {
    function("cuMemFree_v2", as: (@convention(c) (Address) -> Int32).self)(address)
  }

  /// Memory of the host that copies read and write late.
  func hostNumbers(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
    var memory: Handle?
    _ = function(
      "cuMemHostAlloc", as: (@convention(c) (UnsafeMutablePointer<Handle?>, Int, UInt32) -> Int32).self)(
        &memory, 4 * count, 0)
    return UnsafeMutableBufferPointer(start: memory!.assumingMemoryBound(to: Float.self), count: count)
  }

  func upload(_ source: UnsafeRawPointer, to destination: Address, bytes: Int) -> Int32 {
    function(
      "cuMemcpyHtoDAsync_v2", as: (@convention(c) (Address, UnsafeRawPointer, Int, Handle) -> Int32).self)(
        destination, source, bytes, stream)
  }

  func download(_ source: Address, to destination: UnsafeMutableRawPointer, bytes: Int) -> Int32 {
    function(
      "cuMemcpyDtoHAsync_v2", as: (@convention(c) (UnsafeMutableRawPointer, Address, Int, Handle) -> Int32).self)(
        destination, source, bytes, stream)
  }

  /// New memory that holds `values`.
  func uploaded<Number: BitwiseCopyable>(_ values: [Number]) throws -> Address {
    let bytes = values.count * MemoryLayout<Number>.size
    let (status, address) = allocate(bytes: bytes)
    let copied = values.withUnsafeBytes { upload($0.baseAddress!, to: address, bytes: bytes) }
    guard status == 0, copied == 0 else { throw Failure(description: "uploading: \(status), \(copied)") }
    return address
  }

  func downloaded<Number: BitwiseCopyable>(_ zero: Number, _ address: Address, count: Int) throws -> [Number] {
    var values = [Number](repeating: zero, count: count)
    let bytes = count * MemoryLayout<Number>.size
    let status = values.withUnsafeMutableBytes { download(address, to: $0.baseAddress!, bytes: bytes) }
    guard status == 0 else { throw Failure(description: "downloading: \(status)") }
    return values
  }

  func synchronize() -> Int32 {
    function("cuStreamSynchronize", as: (@convention(c) (Handle) -> Int32).self)(stream)
  }

  // MARK: Kernels

  /// Compiles a source by the name of `file`.
  func compile(
    _ source: String, file: String, headers: [String: String] = [:], options: [String] = ["--gpu-architecture=sm_90"]
  ) -> (status: Int32, code: [UInt8], log: String) {
    typealias Texts = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    func withTexts<Result>(_ texts: [String], _ body: (Texts?) -> Result) -> Result {
      var pointers: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) }
      defer { for pointer in pointers { Foundation.free(pointer) } }
      return pointers.withUnsafeMutableBufferPointer { body($0.baseAddress) }
    }
    var program: Handle?
    let names = headers.keys.sorted()
    _ = withTexts(names.map { headers[$0]! }) { texts in
      withTexts(names) { names in
        function(
          "nvrtcCreateProgram",
          as: (@convention(c) (
            UnsafeMutablePointer<Handle?>, UnsafePointer<CChar>, UnsafePointer<CChar>, Int32, Texts?, Texts?
          ) -> Int32).self)(&program, source, file, Int32(headers.count), texts, names)
      }
    }
    let status = withTexts(options) {
      function("nvrtcCompileProgram", as: (@convention(c) (Handle?, Int32, Texts?) -> Int32).self)(
        program, Int32(options.count), $0)
    }
    func bytes(_ sizeName: String, _ name: String) -> [UInt8] {
      var count = 0
      _ = function(sizeName, as: (@convention(c) (Handle?, UnsafeMutablePointer<Int>) -> Int32).self)(program, &count)
      var bytes = [UInt8](repeating: 0, count: count)
      _ = function(name, as: (@convention(c) (Handle?, UnsafeMutablePointer<UInt8>) -> Int32).self)(program, &bytes)
      return bytes
    }
    let log = bytes("nvrtcGetProgramLogSize", "nvrtcGetProgramLog").prefix { $0 != 0 }
    return (status, bytes("nvrtcGetCUBINSize", "nvrtcGetCUBIN"), String(decoding: log, as: UTF8.self))
  }

  func load(_ code: [UInt8]) -> (status: Int32, module: Handle?) {
    var module: Handle?
    let status = function(
      "cuModuleLoadData", as: (@convention(c) (UnsafeMutablePointer<Handle?>, UnsafeRawPointer) -> Int32).self)(
        &module, code)
    return (status, module)
  }

  func kernel(_ name: String, of module: Handle?) -> (status: Int32, kernel: Handle?) {
    var kernel: Handle?
    let status = function(
      "cuModuleGetFunction",
      as: (@convention(c) (UnsafeMutablePointer<Handle?>, Handle?, UnsafePointer<CChar>) -> Int32).self)(
        &kernel, module, name)
    return (status, kernel)
  }

  /// `result = factor · x`, `count` numbers.
  func scale(_ x: Address, by factor: Float, into result: Address, count: Int, sharedBytes: UInt32 = 0) throws -> Int32
  {
    let compiled = compile("", file: "elementwise.cu")
    let (status, found) = kernel("scale_elements", of: load(compiled.code).module)
    guard let found else { throw Failure(description: "scale_elements: \(status) \(compiled.log)") }
    var (x, factor, result, count) = (x, factor, result, Int64(count))
    return withUnsafeMutableBytes(of: &x) { x in
      withUnsafeMutableBytes(of: &factor) { factor in
        withUnsafeMutableBytes(of: &result) { result in
          withUnsafeMutableBytes(of: &count) { count in
            var arguments = [x.baseAddress, factor.baseAddress, result.baseAddress, count.baseAddress]
            return function(
              "cuLaunchKernel",
              as: (@convention(c) (
                Handle, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, Handle,
                UnsafeMutablePointer<UnsafeMutableRawPointer?>, Handle?
              ) -> Int32).self)(found, 4, 1, 1, 256, 1, 1, sharedBytes, stream, &arguments, nil)
          }
        }
      }
    }
  }
}
