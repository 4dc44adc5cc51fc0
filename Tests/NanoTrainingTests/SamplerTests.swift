import Foundation
import NanoModels
import NanoTensor
import Testing

@testable import NanoTraining

@Test func samplersKeepWhatTheySay() {
  let logits: [Float] = [log(0.5), log(0.3), log(0.15), log(0.05)]
  func drawn(_ sampler: Sampler, seen: [Int32] = []) -> Set<Int32> {
    var generator = RandomGenerator(seed: 9)
    return Set((0..<400).map { _ in sampler.draw(from: logits, seen: seen, using: &generator) })
  }
  #expect(drawn(Sampler()) == [0, 1, 2, 3])
  #expect(drawn(Sampler(temperature: 0)) == [0])
  #expect(drawn(Sampler(topK: 2)) == [0, 1])
  #expect(drawn(Sampler(topP: 0.75)) == [0, 1])
  #expect(drawn(Sampler(topP: 0.85)) == [0, 1, 2])
  #expect(drawn(Sampler(minP: 0.5)) == [0, 1])
  // 0.5 under a heavy penalty falls behind all others.
  #expect(drawn(Sampler(temperature: 0, repetitionPenalty: 50), seen: [0]) == [1])
}
