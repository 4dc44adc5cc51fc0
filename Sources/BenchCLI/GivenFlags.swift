import ArgumentParser

extension ParsableArguments {
  /// The flags of this group that were given, as a command line names them.
  var givenFlags: [String] {
    Mirror(reflecting: self).children.compactMap { label, value in
      guard let label, let flag = value as? any OmittableFlag, flag.isGiven else { return nil }
      // A property `_kvRank` holds the flag `--kv-rank`.
      return "--"
        + label.dropFirst().map { $0.isUppercase ? "-\($0.lowercased())" : String($0) }.joined()
    }
  }

  /// Refuses flags of the stories study in the character study, which would go without their effect.
  func requireStories() throws {
    guard let first = givenFlags.first else { return }
    throw ValidationError("\(first) is a flag of the stories study; add --preset stories or leave it out")
  }
}

/// A flag that a command line may lack.
private protocol OmittableFlag {
  var isGiven: Bool { get }
}

extension Option: OmittableFlag {
  fileprivate var isGiven: Bool { (wrappedValue as? any NilTestable)?.isNil == false }
}

extension Flag: OmittableFlag {
  fileprivate var isGiven: Bool { wrappedValue as? Bool == true }
}

private protocol NilTestable {
  var isNil: Bool { get }
}

extension Optional: NilTestable {
  fileprivate var isNil: Bool { self == nil }
}
