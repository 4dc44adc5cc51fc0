import Foundation
import Testing

@Suite(.enabled(if: EmulatedLibrary.isBuilt, "swift build -c release --product CUDAEmulation"), .serialized)
struct EmulatedDriverTests {
  typealias Handle = EmulatedLibrary.Handle

  @Test func newMemoryHoldsNaN() throws {
    let library = try EmulatedLibrary()
    let (status, address) = library.allocate(bytes: 400)
    #expect(status == 0)
    #expect(try library.downloaded(Float(0), address, count: 100).allSatisfy { $0.isNaN })
    #expect(library.free(address + 256) == 1)
    #expect(library.free(address) == 0)
  }

  @Test func copiesFromOrdinaryMemoryReadItAtOnce() throws {
    let library = try EmulatedLibrary()
    var numbers: [Float] = [1, 2, 3]
    let address = try library.uploaded(numbers)
    numbers.withUnsafeMutableBufferPointer { numbers in
      #expect(library.upload(numbers.baseAddress!, to: address, bytes: 12) == 0)
      numbers.update(repeating: 0)
    }
    #expect(try library.downloaded(Float(0), address, count: 3) == [1, 2, 3])
  }

  @Test func copiesBeyondABlockAreRefused() throws {
    let library = try EmulatedLibrary()
    let address = try library.uploaded([Float](repeating: 1, count: 4))
    let numbers = [Float](repeating: 0, count: 8)
    #expect(library.upload(numbers, to: address, bytes: 20) == 1)
    #expect(library.upload(numbers, to: address + 4, bytes: 16) == 1)
    #expect(library.upload(numbers, to: address + 4, bytes: 12) == 0)
  }

  @Test func aGraphReadsItsHostMemoryEachTimeItRuns() throws {
    let library = try EmulatedLibrary()
    let held = library.hostNumbers(1000)
    let x = try library.uploaded([Float](repeating: 0, count: 1000))
    let result = try library.uploaded([Float](repeating: 0, count: 1000))
    #expect(beginCapture(library) == 0)
    #expect(library.upload(held.baseAddress!, to: x, bytes: 4000) == 0)
    #expect(try library.scale(x, by: 2, into: result, count: 1000) == 0)
    let executable = try #require(endCapture(library).executable)
    for value in [3, 5] as [Float] {
      held.update(repeating: value)
      #expect(launch(executable, library) == 0)
      #expect(
        try library.downloaded(Float(0), result, count: 1000) == [Float](repeating: 2 * value, count: 1000))
    }
  }

  @Test func waitingSpoilsAGraph() throws {
    let library = try EmulatedLibrary()
    #expect(beginCapture(library) == 0)
    #expect(library.synchronize() == 900)
    #expect(endCapture(library).status == 901)
    // The stream works again.
    #expect(library.synchronize() == 0)
  }

  @Test func kernelsAreFoundInTheirFileOnly() throws {
    let library = try EmulatedLibrary()
    let module = library.load(library.compile("", file: "elementwise.cu").code).module
    #expect(library.kernel("scale_elements", of: module).status == 0)
    #expect(library.kernel("layer_norm", of: module).status == 500)
    #expect(library.load([UInt8]("something else\0".utf8)).status == 200)
    let other = library.compile("", file: "elementwise.cu", options: ["--gpu-architecture=sm_80"])
    #expect(library.load(other.code).status == 209)
  }

  @Test func moreSharedMemoryMustBeAskedFor() throws {
    let library = try EmulatedLibrary()
    let x = try library.uploaded([Float](repeating: 1, count: 8))
    #expect(try library.scale(x, by: 2, into: x, count: 8, sharedBytes: 48 << 10) == 0)
    #expect(try library.scale(x, by: 2, into: x, count: 8, sharedBytes: (48 << 10) + 1) == 1)
  }

  @Test func theCompilerSaysWhatIsWrong() throws {
    let library = try EmulatedLibrary()
    let include = "\n#include \"common.cuh\"\n"
    let missing = library.compile(include, file: "norms.cu")
    #expect(missing.status == 6)
    #expect(missing.log == "norms.cu(2): catastrophic error: cannot open source file \"common.cuh\"\n")
    #expect(library.compile(include, file: "norms.cu", headers: ["common.cuh": ""]).status == 0)
    let broken = library.compile(include, file: "norms.cu", headers: ["common.cuh": "#error no\n"])
    #expect(broken.log == "common.cuh(1): error: #error no\n")
    #expect(library.compile("", file: "nothing.cu").status == 6)
    #expect(library.compile("", file: "norms.cu", options: ["--gpu-architecture=sm_70"]).status == 5)
    #expect(library.compile("", file: "norms.cu", options: ["--nonsense"]).status == 5)
  }

  // MARK: Graphs

  private func beginCapture(_ library: EmulatedLibrary) -> Int32 {
    library.function("cuStreamBeginCapture_v2", as: (@convention(c) (Handle, Int32) -> Int32).self)(library.stream, 2)
  }

  private func endCapture(_ library: EmulatedLibrary) -> (status: Int32, executable: Handle?) {
    var (graph, executable): (Handle?, Handle?)
    let status = library.function(
      "cuStreamEndCapture", as: (@convention(c) (Handle, UnsafeMutablePointer<Handle?>) -> Int32).self)(
        library.stream, &graph)
    if status == 0 {
      _ = library.function(
        "cuGraphInstantiateWithFlags",
        as: (@convention(c) (UnsafeMutablePointer<Handle?>, Handle?, UInt64) -> Int32).self)(&executable, graph, 0)
    }
    return (status, executable)
  }

  private func launch(_ executable: Handle, _ library: EmulatedLibrary) -> Int32 {
    library.function("cuGraphLaunch", as: (@convention(c) (Handle, Handle) -> Int32).self)(executable, library.stream)
  }
}

#if compiler(>=6.2)
  /// What ends a process, and what the environment of one asks for.
  @Suite(.enabled(if: EmulatedLibrary.isBuilt, "swift build -c release --product CUDAEmulation"))
  struct EmulatedFaultTests {
    // By itself, since whoever gives memory back waits for everyone's work.
    @Test func copiesFromHeldMemoryReadItWhenSomebodyWaits() async {
      await #expect(processExitsWith: .success) {
        let library = try EmulatedLibrary()
        let held = library.hostNumbers(4)
        held.update(repeating: 1)
        let late = try library.uploaded([Float](repeating: 0, count: 4))
        guard library.upload(held.baseAddress!, to: late, bytes: 16) == 0 else { exit(1) }
        held.update(repeating: 2)
        guard try library.downloaded(Float(0), late, count: 4) == [2, 2, 2, 2] else { exit(2) }
        // What is not waited for is not there.
        held.update(repeating: 3)
        guard library.download(late, to: held.baseAddress!, bytes: 16) == 0 else { exit(3) }
        guard Array(held) == [3, 3, 3, 3], library.synchronize() == 0, Array(held) == [2, 2, 2, 2] else { exit(4) }
      }
    }

    @Test func littleMemoryRunsOut() async {
      await #expect(processExitsWith: .success) {
        setenv("NANO_CUDA_EMULATION_MEMORY", "5000", 1)
        let library = try EmulatedLibrary()
        let (status, address) = library.allocate(bytes: 4000)
        guard status == 0, library.allocate(bytes: 2000).status == 2 else { exit(1) }
        guard library.free(address) == 0, library.allocate(bytes: 2000).status == 0 else { exit(2) }
      }
    }

    @Test func aCallFailsFromTheOneThatIsNamedOn() async {
      await #expect(processExitsWith: .success) {
        setenv("NANO_CUDA_EMULATION_FAILURES", "cuMemAlloc_v2:2:2,cuStreamSynchronize:719", 1)
        let library = try EmulatedLibrary()
        guard library.allocate(bytes: 4).status == 0, library.allocate(bytes: 4).status == 2 else { exit(1) }
        guard library.allocate(bytes: 4).status == 2, library.synchronize() == 719 else { exit(2) }
      }
    }

    @Test func anOldDeviceTakesNoNewCode() async {
      await #expect(processExitsWith: .success) {
        setenv("NANO_CUDA_EMULATION_CAPABILITY", "7.5", 1)
        let library = try EmulatedLibrary()
        guard library.load(library.compile("", file: "norms.cu").code).status == 209 else { exit(1) }
        let code = library.compile("", file: "norms.cu", options: ["--gpu-architecture=sm_75"]).code
        guard library.load(code).status == 0 else { exit(2) }
      }
    }

    @Test func theHostMustNotTouchDeviceMemory() async throws {
      let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let address = try EmulatedLibrary().uploaded([1, 2, 3] as [Float])
        let number = UnsafePointer<Float>(bitPattern: UInt(address))!.pointee
        exit(number == 1 ? 0 : 3)
      }
      let error = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
      #expect(error.contains("the host touches memory of the device"), "\(error)")
    }

    @Test func aKernelMustNotWriteBehindABlock() async throws {
      let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let library = try EmulatedLibrary()
        let x = try library.uploaded([Float](repeating: 1, count: 8))
        let result = try library.uploaded([Float](repeating: 1, count: 7))
        guard try library.scale(x, by: 2, into: result, count: 8) == 0 else { exit(0) }
        _ = library.synchronize()
        exit(0)
      }
      let error = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
      #expect(error.contains("of a block of 28 bytes was written"), "\(error)")
    }

    @Test func aKernelMustNotBeGivenHostMemory() async throws {
      let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let library = try EmulatedLibrary()
        let x = try library.uploaded([Float](repeating: 1, count: 8))
        let ordinary = UnsafeMutablePointer<Float>.allocate(capacity: 8)
        _ = try library.scale(x, by: 2, into: UInt64(UInt(bitPattern: ordinary)), count: 8)
        exit(0)
      }
      let error = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
      #expect(error.contains("scale_elements: argument 3"), "\(error)")
    }
  }
#endif
