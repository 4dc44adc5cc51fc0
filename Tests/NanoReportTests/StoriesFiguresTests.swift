import Foundation
import NanoTraining
import Testing

@testable import NanoReport

/// The last point's full pass reads other text than the points before it: a curve stays on what they all read.
@Test func storiesCurvesStayOnTheSameWindows() throws {
  let curve = LossCurves.Curve(
    try storiesModel("nanokimik2", loss: 3, seconds: 100, parameters: 2_000_000))
  #expect(curve.points.map(\.validation) == [8, 3.5])
  #expect(curve.points.map(\.seconds) == [0, 100])
}
