/// Traps with a message when a caller broke a contract.
///
/// Swift's own `precondition` drops its message where it is compiled with optimization, and a release build then ends as
/// a bare illegal instruction.
@inlinable package func checkPrecondition(
  _ condition: Bool, _ message: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
) {
  if !condition { fatalError(message(), file: file, line: line) }
}
