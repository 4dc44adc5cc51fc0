/// Where the time of work on a device goes, by kernel and product.
package struct DeviceProfile: Sendable {
  package struct Entry: Sendable {
    package var name: String
    package var count = 0
    package var milliseconds = 0.0
  }

  private var entries: [String: Entry] = [:]

  mutating func add(_ name: String, milliseconds: Double) {
    entries[name, default: Entry(name: name)].count += 1
    entries[name]!.milliseconds += milliseconds
  }

  /// The longest first.
  package var sorted: [Entry] { entries.values.sorted { $0.milliseconds > $1.milliseconds } }

  package var milliseconds: Double { entries.values.reduce(0) { $0 + $1.milliseconds } }
}
