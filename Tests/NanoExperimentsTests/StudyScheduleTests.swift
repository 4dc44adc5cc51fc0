import NanoExperiments
import Testing

@Test(
  arguments: [
    // As many as threads, where all have work to the end.
    ([1, 1], 2, 2), ([1, 1, 1, 1], 2, 2), ([1, 1, 1, 1, 1, 1, 1, 1], 8, 8),
    // One after another, where one thread would wait for the last run.
    ([1], 2, 1), ([1, 1, 1], 2, 1), ([2, 1], 2, 1), ([3.3, 1.8, 3.3, 1.8, 3.3, 1.8], 2, 1),
    // The short ones beside the long one.
    ([2, 1, 1], 2, 2),
    // A step of four shards leaves the other threads of one run idle.
    ([1, 1], 16, 2), ([1, 1, 1, 1], 16, 4), ([2, 1], 16, 2),
  ] as [([Double], Int, Int)])
func studiesEndSoonest(work: [Double], threads: Int, expected: Int) {
  #expect(StudySchedule(work: work, mostThreads: 4).runsAtOnce(on: threads) == expected)
}

@Test func runsAtOnceFitTheMemory() {
  let work = [Double](repeating: 1, count: 8)
  #expect(StudySchedule(work: work, mostThreads: 4, most: 2).runsAtOnce(on: 8) == 2)
  #expect(StudySchedule(work: work, mostThreads: 4, most: 0).runsAtOnce(on: 8) == 1)
}
