import ArgumentParser

/// A flag that was given, and its value as text.
struct GivenFlag {
  /// Without its dashes.
  let name: String
  let value: String
}

extension ParsableArguments {
  /// The flags of this group that were given.
  var givenFlags: [GivenFlag] {
    Mirror(reflecting: self).children.compactMap { label, value in
      guard let label, let flag = value as? any OmittableFlag, let text = flag.givenText else { return nil }
      // A property `_kvRank` holds the flag `--kv-rank`.
      return GivenFlag(
        name: label.dropFirst().map { $0.isUppercase ? "-\($0.lowercased())" : String($0) }.joined(), value: text)
    }
  }
}

/// A flag that a command line may lack.
private protocol OmittableFlag {
  /// Its value; nil where it was not given.
  var givenText: String? { get }
}

extension Option: OmittableFlag {
  fileprivate var givenText: String? { (wrappedValue as? any OptionalValue)?.text }
}

extension Flag: OmittableFlag {
  fileprivate var givenText: String? { wrappedValue as? Bool == true ? "true" : nil }
}

private protocol OptionalValue {
  var text: String? { get }
}

extension Optional: OptionalValue {
  fileprivate var text: String? { map { "\($0)" } }
}
