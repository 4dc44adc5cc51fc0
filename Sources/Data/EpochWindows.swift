/// A text's windows in epochs: each epoch reads every window once, in an order of its own. Windows lie side by side, from
/// a place on that is each epoch's own too, so that none always begins at the same token.
///
/// Windows at random places read some of a text often and some never: of a text as long as what is read, 37%.
struct EpochWindows {
  /// Tokens of the text.
  let tokenCount: Int
  /// Tokens of a window; a window's targets reach one further.
  let length: Int

  /// Windows of an epoch.
  var count: Int { max(1, tokenCount / length - 1) }

  /// Where a window begins in its text.
  /// - Parameters:
  ///   - index: of the window among those of all epochs, one behind the other.
  ///   - generator: of an epoch.
  func start<G: RandomNumberGenerator>(of index: Int, generator: (_ epoch: Int) -> G) -> Int {
    var generator = generator(index / count)
    let order = ShuffledOrder(count: count, using: &generator)
    let first = generator.index(below: min(length, tokenCount - count * length))
    return first + length * order[index % count]
  }
}
