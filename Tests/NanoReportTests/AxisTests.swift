import Foundation
import NanoTraining
import Testing

@testable import NanoReport

@Test func axesEndWithARoundTick() {
  let whole = Axis(0...9_999, tickCount: 6)
  #expect(whole.ticks == [0, 2_000, 4_000, 6_000, 8_000, 10_000])
  #expect(whole.ticks.map(whole.label) == ["0", "2k", "4k", "6k", "8k", "10k"])
  let short = Axis(0...9_900, tickCount: 6)
  #expect(short.ticks.map(short.label).last == "8000")
  #expect(Axis(0.5...2, tickCount: 7).ticks == [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2])
}

/// A run that diverges may have but one loss, and that huge.
@Test func axesOfHugeValuesThatAreAllTheSameAreDrawn() {
  #expect(Axis(1e30...1e30, tickCount: 6).ticks.count < 20)
  #expect(Axis(-1e300 ... -1e300, tickCount: 6).ticks.count < 20)
}
