/// NVIDIA's run-time compiler: CUDA C to machine code for one architecture.
struct NVRTC {
  private typealias Status = Int32
  private typealias Program = UnsafeMutableRawPointer
  private typealias Texts = UnsafeMutablePointer<UnsafePointer<CChar>?>

  private let version: @convention(c) (UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) -> Status
  private let createProgram:
    @convention(c) (
      UnsafeMutablePointer<Program?>, UnsafePointer<CChar>, UnsafePointer<CChar>, Int32, Texts?, Texts?
    ) -> Status
  private let compileProgram: @convention(c) (Program?, Int32, Texts?) -> Status
  private let getCUBINSize: @convention(c) (Program?, UnsafeMutablePointer<Int>) -> Status
  private let getCUBIN: @convention(c) (Program?, UnsafeMutablePointer<UInt8>) -> Status
  private let getProgramLogSize: @convention(c) (Program?, UnsafeMutablePointer<Int>) -> Status
  private let getProgramLog: @convention(c) (Program?, UnsafeMutablePointer<UInt8>) -> Status
  private let destroyProgram: @convention(c) (UnsafeMutablePointer<Program?>) -> Status

  init(in folders: LibraryFolders) throws(CUDAError) {
    let library = try DynamicLibrary(
      ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"], purpose: "CUDA's run-time compiler",
      in: folders)
    version = try library.function("nvrtcVersion")
    createProgram = try library.function("nvrtcCreateProgram")
    compileProgram = try library.function("nvrtcCompileProgram")
    getCUBINSize = try library.function("nvrtcGetCUBINSize")
    getCUBIN = try library.function("nvrtcGetCUBIN")
    getProgramLogSize = try library.function("nvrtcGetProgramLogSize")
    getProgramLog = try library.function("nvrtcGetProgramLog")
    destroyProgram = try library.function("nvrtcDestroyProgram")
  }

  var versionText: String {
    var (major, minor): (Int32, Int32) = (0, 0)
    _ = version(&major, &minor)
    return "\(major).\(minor)"
  }

  /// Machine code of a source that may include `headers` by name.
  func compile(
    _ source: String, file: String, headers: [(name: String, text: String)], options: [String]
  ) throws(CUDAError) -> [UInt8] {
    var program: Program?
    let created = withTexts(headers.map(\.text)) { texts in
      withTexts(headers.map(\.name)) { names in
        createProgram(&program, source, file, Int32(headers.count), texts, names)
      }
    }
    guard created == 0 else { throw .call(name: "nvrtcCreateProgram", reason: "status \(created)") }
    defer { _ = destroyProgram(&program) }
    let status = withTexts(options) { compileProgram(program, Int32(options.count), $0) }
    guard status == 0 else { throw .compilation(file: file, log: log(of: program)) }
    var size = 0
    _ = getCUBINSize(program, &size)
    var code = [UInt8](repeating: 0, count: size)
    let copied = getCUBIN(program, &code)
    guard copied == 0, size > 0 else { throw .call(name: "nvrtcGetCUBIN", reason: "status \(copied)") }
    return code
  }

  private func log(of program: Program?) -> String {
    var size = 0
    _ = getProgramLogSize(program, &size)
    var text = [UInt8](repeating: 0, count: max(size, 1))
    _ = getProgramLog(program, &text)
    return String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// Calls `body` with C strings.
  private func withTexts<Result>(_ texts: [String], _ body: (Texts?) -> Result) -> Result {
    var bytes: [CChar] = []
    var starts: [Int] = []
    for text in texts {
      starts.append(bytes.count)
      bytes += text.utf8CString
    }
    return bytes.withUnsafeBufferPointer { buffer in
      var pointers: [UnsafePointer<CChar>?] = starts.map { buffer.baseAddress! + $0 }
      return pointers.withUnsafeMutableBufferPointer { body($0.baseAddress) }
    }
  }
}
