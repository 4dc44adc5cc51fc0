import Foundation
import NanoData
import NanoTestSupport
import Testing

@testable import NanoExperiments

/// A bowl in the logarithms of two rates, lowest at 0.02 and 0.3.
private func loss(_ values: [Double]) -> Double {
  pow(log(values[0] / 0.02), 2) + 0.5 * pow(log(values[1] / 0.3), 2)
}

private func trials(_ count: Int, seed: UInt64, after begun: [CoordinateSearch.Trial] = []) -> [CoordinateSearch.Trial]
{
  let search = CoordinateSearch(from: [0.001, 0.01], seed: seed)
  var trials = begun
  while trials.count < count {
    let values = search.proposal(after: trials)
    trials.append(.init(values: values, loss: loss(values)))
  }
  return trials
}

@Test func aCoordinateSearchComesNearTheLowestPlace() throws {
  let found = trials(20, seed: 3)
  #expect(found[0].values == [0.001, 0.01])
  #expect(loss(try #require(CoordinateSearch.best(of: found)).values) < 0.02 * loss(found[0].values))
  // One coordinate at a time.
  for (trial, best) in zip(found.dropFirst(), (1..<20).map { CoordinateSearch.best(of: Array(found.prefix($0)))! }) {
    #expect(zip(trial.values, best.values).count { $0 != $1 } == 1)
  }
  #expect(Set(found.map(\.values)).count == 20)
}

@Test func aSearchThatGoesOnIsTheOneThatWasNeverStopped() {
  let whole = trials(12, seed: 5)
  #expect(trials(12, seed: 5, after: Array(whole.prefix(7))) == whole)
  #expect(trials(12, seed: 6) != whole)
}

@Test func aFailedTrialIsNeverTheBest() {
  let start = CoordinateSearch.Trial(values: [1], loss: 2)
  let failed = CoordinateSearch.Trial(values: [3], loss: nil)
  #expect(CoordinateSearch.best(of: [failed]) == nil && CoordinateSearch.best(of: [start, failed]) == start)
  let next = CoordinateSearch(from: [1], seed: 1).proposal(after: [start, failed])
  #expect(next[0] < 1, "the way up failed, so the next is down: \(next)")
  // Nothing leads away from 0 but a value of its own.
  #expect(CoordinateSearch(from: [0], seed: 1).proposal(after: [.init(values: [0], loss: 1)])[0] > 0)
}

/// The last tenth of what trains validates; what validated is not there.
@Test func settingsAreChosenWithoutTheValidationSplit() throws {
  let text = String(repeating: "abcdefghij", count: 100) + String(repeating: "xyz", count: 40)
  let folder = try TemporaryFolder()
  let path = folder.path + "/text.txt"
  try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  var recipe = CorpusRecipe(.characters, path: path)
  let whole = try recipe.makeCorpus()
  recipe = recipe.bound(to: whole.record)
  recipe.keepsValidationSplitUnseen = true
  let corpus = try recipe.makeCorpus()
  let count = whole.training.count
  #expect(corpus.training.count == count * 9 / 10 && corpus.validation.count == count - count * 9 / 10)
  #expect(
    corpus.training[0..<corpus.training.count] + corpus.validation[0..<corpus.validation.count]
      == whole.training[0..<count])
  #expect(corpus.validation.byteCount == corpus.validation.count && corpus.training.byteCount == corpus.training.count)
  #expect([corpus.validation.before] == whole.training[corpus.training.count - 1..<corpus.training.count])
  // Of stories, cut where one ends.
  let stories = try storyCorpus(folder)
  let parts = stories.withoutValidationSplit
  let end = stories.training.before
  #expect(parts.training[parts.training.count - 1..<parts.training.count] == [end])
  let counts = (try #require(parts.training.storyCount), try #require(parts.validation.storyCount))
  #expect(counts.0 + counts.1 == 30 && (2...3).contains(counts.1))
  #expect(parts.training.characterCount + parts.validation.characterCount == stories.training.characterCount)
}
