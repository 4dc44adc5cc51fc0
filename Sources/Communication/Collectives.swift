internal import Foundation
internal import NanoPreconditions

extension Communicator {
  /// Sends rank 0's bytes to all, along a binomial tree: every rank sends at most log2 of the rank count times.
  /// - Parameter bytes: of rank 0, which only reads them; as many of every other, which are overwritten.
  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer) {
    // A rank's parent is its number without the lowest bit.
    var bit = 1
    while bit < rankCount, rank & bit == 0 { bit <<= 1 }
    if rank > 0 { receive(into: bytes, from: rank - bit) }
    bit >>= 1
    while bit > 0 {
      if rank + bit < rankCount { send(UnsafeRawBufferPointer(bytes), to: rank + bit) }
      bit >>= 1
    }
    // Of a whole model's weights one tensor at a time.
    awaitSends(leaving: 0)
  }

  /// Has every other rank receive a value with ``receiveBroadcast(decoding:)``.
  /// - Precondition: this is rank 0.
  public func broadcast(encoding value: some Encodable) {
    checkPrecondition(rank == 0, "broadcast: rank \(rank) has no value to send, only rank 0 has")
    do { _ = broadcast(try JSONEncoder.nonFinite().encode(value)) } catch { fatalError("broadcast: \(error)") }
  }

  /// What rank 0 broadcasts.
  public func receiveBroadcast<Value: Decodable>(decoding type: Value.Type = Value.self) -> Value {
    let data = broadcast(Data())
    do { return try JSONDecoder.nonFinite.decode(type, from: data) } catch { fatalError("receiveBroadcast: \(error)") }
  }

  private func broadcast(_ data: Data) -> Data {
    var data = data
    let count = broadcastCount(data.count)
    if rank > 0 { data = Data(count: count) }
    data.withUnsafeMutableBytes { broadcast($0) }
    return data
  }

  /// The elements of rank 0, on every rank.
  public func broadcast<Element: BitwiseCopyable & AdditiveArithmetic>(_ elements: [Element]) -> [Element] {
    var elements = elements
    let count = broadcastCount(elements.count)
    if rank > 0 { elements = Array(repeating: .zero, count: count) }
    elements.withUnsafeMutableBytes { broadcast($0) }
    return elements
  }

  private func broadcastCount(_ count: Int) -> Int {
    var count = count
    withUnsafeMutableBytes(of: &count) { broadcast($0) }
    return count
  }

  /// The numbers of every rank, on every rank, in the order of ranks.
  public func allGather(_ numbers: [Double]) -> [[Double]] {
    guard rankCount > 1 else { return [numbers] }
    var all: [[Double]] = []
    if rank == 0 {
      all = [numbers] + (1..<rankCount).map { receive(from: $0) }
    } else {
      send(numbers, to: 0)
    }
    var rest = broadcast(all.flatMap { [Double($0.count)] + $0 })[...]
    return (0..<rankCount).map { _ in
      let count = Int(rest.removeFirst())
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
  }

  /// Sends a value to one rank, which takes it with ``receive(decoding:from:)``.
  public func send(encoding value: some Encodable, to rank: Int) {
    do { send(Array(try JSONEncoder.nonFinite().encode(value)), to: rank) } catch { fatalError("send: \(error)") }
  }

  /// A value that another rank sends.
  public func receive<Value: Decodable>(decoding type: Value.Type, from rank: Int) -> Value {
    let bytes: [UInt8] = receive(from: rank)
    do { return try JSONDecoder.nonFinite.decode(type, from: Data(bytes)) } catch { fatalError("receive: \(error)") }
  }

  /// Elements and before them their count.
  public func send<Element: BitwiseCopyable & AdditiveArithmetic>(_ elements: [Element], to rank: Int) {
    var count = elements.count
    withUnsafeMutableBytes(of: &count) { send(UnsafeRawBufferPointer($0), to: rank) }
    elements.withUnsafeBytes { send($0, to: rank) }
  }

  /// What another rank's ``send(_:to:)`` sent.
  public func receive<Element: BitwiseCopyable & AdditiveArithmetic>(from rank: Int) -> [Element] {
    var count = 0
    withUnsafeMutableBytes(of: &count) { receive(into: $0, from: rank) }
    var elements = [Element](repeating: .zero, count: count)
    elements.withUnsafeMutableBytes { receive(into: $0, from: rank) }
    return elements
  }
}
