import CommunicationTestSupport
import NanoCommunication
import Testing

@Test(arguments: 1...9) func aBroadcastReachesEveryRank(count: Int) throws {
  let received = try ThreadRanks.run(count) { communicator in
    communicator.broadcast(communicator.rank == 0 ? [3.5, -1, 0.25] : [Double]())
  }
  #expect(received.allSatisfy { $0 == [3.5, -1, 0.25] })
}

@Test func aBroadcastValueKeepsEveryBit() throws {
  let sent = [0.1, -Double.infinity, Double.leastNonzeroMagnitude, .nan]
  let received = try ThreadRanks.run(3) { communicator in
    if communicator.rank == 0 { communicator.broadcast(encoding: sent) }
    return communicator.rank == 0 ? sent : communicator.receiveBroadcast(decoding: [Double].self)
  }
  #expect(received.allSatisfy { $0.map(\.bitPattern) == sent.map(\.bitPattern) })
}

@Test(arguments: [1, 2, 3, 5]) func everyRankGathersWhatAllRanksHave(count: Int) throws {
  let gathered = try ThreadRanks.run(count) { communicator in
    communicator.allGather((0..<communicator.rank).map { Double(10 * communicator.rank + $0) })
  }
  let expected = (0..<count).map { rank in (0..<rank).map { Double(10 * rank + $0) } }
  #expect(gathered.allSatisfy { $0 == expected })
}
