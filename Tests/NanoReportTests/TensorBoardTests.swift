import Foundation
import NanoExperiments
import NanoTestSupport
import Testing

@testable import NanoReport

/// RFC 3720, appendix B.4.
@Test func checksumsAreThoseOfTheStandard() {
  #expect(CRC32C.checksum(of: Array("123456789".utf8)) == 0xE306_9283)
  #expect(CRC32C.checksum(of: [UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
  #expect(CRC32C.checksum(of: Array(0..<32)) == 0x46DD_794E)
}

@Test func messagesAreThoseOfProtocolBuffers() {
  var message = ProtobufMessage()
  message.append(1, Int64(150))
  message.append(2, "testing")
  message.append(5, Float(1))
  #expect(
    message.bytes == [0x08, 0x96, 0x01, 0x12, 0x07] + Array("testing".utf8) + [0x2D, 0, 0, 0x80, 0x3F])
}

/// Each process has a file, later in the order of names, which begins with its version and voids what the run will do
/// again.
@Test func aRunThatGoesOnHasAnEventFileOfItsOwn() throws {
  let folder = try TemporaryFolder()
  var result = try run("nanogpt", loss: 2, iterations: 0)
  let curve = result.curve
  result.curve = []
  do {
    let log = try TensorBoardLog(folder: folder.path, continuing: result)
    for point in curve { try log.append(point) }
  }
  result.curve = curve
  result.completedIterations = 100
  _ = try TensorBoardLog(folder: folder.path, continuing: result)
  let names = EventFile.names(in: folder.path)
  #expect(names.count == 2 && Set(names.map(\.count)) == ["events.out.tfevents.1234567890.123456".count])
  let files = try names.map { try records(Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/\($0)"))) }
  // Version and two evaluations; version, start, and the evaluation that the start voids.
  #expect(files.map(\.count) == [3, 3])
  #expect(files.allSatisfy { String(decoding: $0[0], as: UTF8.self).contains("brain.Event:2") })
  // Field 2, a step of 100, and field 7, a session's log with status 1.
  #expect(Array(files[1][1].dropFirst(9)) == [0x10, 100, 0x3A, 2, 0x08, 1])
  #expect(files[1][2].dropFirst(9) == files[0][2].dropFirst(9))
}

/// The contents of a TFRecord file, whose checksums must be right.
private func records(_ data: Data) throws -> [[UInt8]] {
  var (rest, records) = (Array(data)[...], [[UInt8]]())
  func take(_ count: Int) throws -> [UInt8] {
    try #require(rest.count >= count)
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }
  while !rest.isEmpty {
    let length = try take(8)
    #expect(try take(4) == littleEndian(CRC32C.masked(length)))
    let content = try take(length.reversed().reduce(0) { $0 << 8 | Int($1) })
    #expect(try take(4) == littleEndian(CRC32C.masked(content)))
    records.append(content)
  }
  return records
}
