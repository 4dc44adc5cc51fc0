internal import Foundation
internal import NanoPreconditions
internal import NanoTensor

/// A search for positive settings by one coordinate at a time: each is multiplied by a factor, and what is better stays.
///
/// What a trial tries follows from the trials before it and from randomness of the seed and the trial's number, so a
/// search that goes on repeats no trial and ends where one that was never stopped does.
public struct CoordinateSearch: Hashable, Sendable {
  /// What a trial came to.
  public struct Trial: Hashable, Sendable, Codable {
    /// The settings that were tried, one a coordinate, 0 or more.
    public var values: [Double]
    /// Nil where training failed.
    public var loss: Double?

    /// A trial of so many values as the search has coordinates, and the loss of its run.
    public init(values: [Double], loss: Double?) {
      self.values = values
      self.loss = loss
    }
  }

  /// What the first trial tries.
  public let start: [Double]
  /// What the factors' randomness comes from, together with a trial's number.
  public let seed: UInt64

  /// - Parameter start: one value a coordinate, 0 or more.
  public init(from start: [Double], seed: UInt64) {
    checkPrecondition(
      !start.isEmpty && start.allSatisfy { $0 >= 0 && $0.isFinite },
      "CoordinateSearch: \(start); it starts from one value or more, none of them negative")
    self.start = start
    self.seed = seed
  }

  /// The first factor is near this; later visits of a coordinate take smaller ones.
  private static let firstFactor = 3.0
  /// Where a coordinate is 0, no factor leads away from it.
  private static let leastValue = 0.01

  /// The values of the trial after some others.
  ///
  /// Two trials of a coordinate follow each other: upwards first, and then further the same way if that was better, else
  /// downwards.
  public func proposal(after trials: [Trial]) -> [Double] {
    guard !trials.isEmpty else { return start }
    let number = trials.count - 1
    let (coordinate, visit) = ((number / 2) % start.count, number / (2 * start.count))
    var values = Self.best(of: trials)?.values ?? start
    let isSecond = number % 2 == 1
    let wentUpWell = isSecond && Self.best(of: trials) == trials[trials.count - 1]
    var generator = RandomGenerator(seed: seed).split(UInt64(trials.count))
    // From two thirds to four thirds of the exponent: no two visits try the same values.
    let exponent = (2 + 2 * Double(generator.nextUniform())) / 3 / Double(1 + visit)
    let factor = pow(Self.firstFactor, isSecond && !wentUpWell ? -exponent : exponent)
    let value = (values[coordinate] == 0 ? Self.leastValue : values[coordinate]) * factor
    // As it is told and set: with three digits.
    values[coordinate] = Double(String(format: "%.3g", value))!
    return values
  }

  /// The trial of the lowest loss, of equal ones the first; nil where all have failed.
  public static func best(of trials: [Trial]) -> Trial? {
    trials.filter { $0.loss?.isFinite ?? false }.min { $0.loss! < $1.loss! }
  }
}
