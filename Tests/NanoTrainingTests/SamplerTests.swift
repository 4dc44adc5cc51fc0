import Foundation
import NanoModels
import NanoTensor
import Testing

@testable import NanoTraining

@Test func samplersKeepWhatTheySay() throws {
  let logits: [Float] = [log(0.5), log(0.3), log(0.15), log(0.05)]
  func drawn(_ sampler: Sampler, seen: [Int32] = []) throws -> Set<Int32> {
    var generator = RandomGenerator(seed: 9)
    return Set(try (0..<400).map { _ in try sampler.draw(from: logits, seen: seen, using: &generator) })
  }
  #expect(try drawn(Sampler()) == [0, 1, 2, 3])
  #expect(try drawn(Sampler(temperature: 0)) == [0])
  #expect(try drawn(Sampler(topK: 2)) == [0, 1])
  #expect(try drawn(Sampler(topP: 0.75)) == [0, 1])
  #expect(try drawn(Sampler(topP: 0.85)) == [0, 1, 2])
  #expect(try drawn(Sampler(minP: 0.5)) == [0, 1])
  // 0.5 under a heavy penalty falls behind all others.
  #expect(try drawn(Sampler(temperature: 0, repetitionPenalty: 50), seen: [0]) == [1])
}

private let samplers = [
  Sampler(), Sampler(temperature: 0), Sampler(topK: 3), Sampler(topP: 0.9), Sampler(minP: 0.5),
  Sampler(repetitionPenalty: 1e38), Sampler(temperature: 1e38, minP: .leastNonzeroMagnitude),
  Sampler(temperature: .leastNonzeroMagnitude, topK: .max, repetitionPenalty: .leastNonzeroMagnitude),
]

@Test(arguments: samplers.indices) func logitsThatAreNotFiniteAreRefusedInEveryWayOfSampling(index: Int) throws {
  var generator = RandomGenerator(seed: 9)
  for bad in [Float.nan, .infinity, -.infinity] {
    #expect(throws: NotFiniteLogits.self) {
      try samplers[index].draw(from: [1, bad, 2], seen: [0], using: &generator)
    }
  }
}

/// Extreme settings and logits still give one of the tokens.
@Test(arguments: samplers.indices) func extremesAreDrawnFrom(index: Int) throws {
  var generator = RandomGenerator(seed: 9)
  let logits: [Float] = [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 0, 1]
  for seen in [[], [0], [1, 2], [0, 1, 2, 3]] as [[Int32]] {
    #expect((0..<4).contains(try samplers[index].draw(from: logits, seen: seen, using: &generator)))
  }
}
