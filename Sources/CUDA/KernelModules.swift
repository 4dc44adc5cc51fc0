internal import CUDAKernelSources

/// The kernels of a device: each file is compiled when one of its kernels is first needed.
final class KernelModules {
  private let driver: CUDADriver
  private let options: [String]
  private let driverVersion: Int32
  private let cache: KernelCache
  private let folders: LibraryFolders
  private var compiler: NVRTC?
  private var modules: [String: UnsafeMutableRawPointer] = [:]
  private var functions: [Kernel: UnsafeMutableRawPointer] = [:]
  private var sharedBytes: [Kernel: Int] = [:]

  init(
    _ driver: CUDADriver, architecture: String, driverVersion: Int32, in folders: LibraryFolders, cache: KernelCache
  ) {
    self.folders = folders
    self.cache = cache
    self.driver = driver
    self.driverVersion = driverVersion
    options = ["--gpu-architecture=\(architecture)", "--std=c++17"]
  }

  /// The kernel's function, ready for launches with so much memory a block.
  func function(_ kernel: Kernel, sharedBytes needed: Int) throws(CUDAError) -> UnsafeMutableRawPointer {
    let function: UnsafeMutableRawPointer
    if let known = functions[kernel] {
      function = known
    } else {
      var found: UnsafeMutableRawPointer?
      let module = try module(kernel)
      try driver.check("finding kernel \(kernel.name)", driver.cuModuleGetFunction(&found, module, kernel.name))
      function = found!
      functions[kernel] = function
    }
    // More than 48 KB must be asked for, what the kernel declares itself included.
    if needed > 32 << 10, sharedBytes[kernel] ?? 0 < needed {
      let maximumDynamicSharedBytes: Int32 = 8
      try driver.check(
        "reserving \(needed) bytes of shared memory for \(kernel.name)",
        driver.cuFuncSetAttribute(function, maximumDynamicSharedBytes, Int32(needed)))
      sharedBytes[kernel] = needed
    }
    return function
  }

  private func module(_ kernel: Kernel) throws(CUDAError) -> UnsafeMutableRawPointer {
    let name = kernel.file + " " + kernel.instance
    if let module = modules[name] { return module }
    let code = try code(kernel)
    var module: UnsafeMutableRawPointer?
    try driver.check("loading kernels \(name)", driver.cuModuleLoadData(&module, code))
    modules[name] = module
    return module!
  }

  private func code(_ kernel: Kernel) throws(CUDAError) -> [UInt8] {
    guard let text = KernelSources.text(kernel.file + ".cu") else {
      throw .compilation(file: kernel.file + ".cu", log: "there is no such file")
    }
    let source = text + "\n" + kernel.instance + "\n"
    let headers = KernelSources.headers
    let compiler: NVRTC
    if let opened = self.compiler { compiler = opened } else { compiler = try NVRTC(in: folders) }
    self.compiler = compiler
    let key = cache.key(
      of: [source] + headers.map(\.text) + options + [compiler.versionText, String(driverVersion)])
    if let code = cache.code(key) { return code }
    let code = try compiler.compile(source, file: kernel.file + ".cu", headers: headers, options: options)
    cache.store(code, key)
    return code
  }
}

/// The text of the files in Kernels.
enum KernelSources {
  static let headers = ["common.cuh", "tensor_cores.cuh"].map { (name: $0, text: text($0) ?? "") }

  static func text(_ name: String) -> String? {
    nk_cuda_source(name).map { String(cString: $0) }
  }
}
