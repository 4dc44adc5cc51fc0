/// Seeds that no settings of ours were chosen with.
enum FreshSeeds {
  /// 11 and so on.
  static func first(_ count: Int) -> [UInt64] { (0..<UInt64(count)).map { 11 + $0 } }
}
