import NanoPreconditions
import Testing

@Test func aPreconditionThatHoldsDoesNothing() {
  checkPrecondition(true, "never read")
}

#if compiler(>=6.2)
  @Test func aBrokenPreconditionSaysWhyInEveryBuild() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let rows = 3
      checkPrecondition(rows == 2, "product: \(rows) rows")
    }
    let error = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(error.contains("CheckPreconditionTests.swift") && error.contains("product: 3 rows"), "\(error)")
  }
#endif
