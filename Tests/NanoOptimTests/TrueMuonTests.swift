import NanoOptim
import Testing

@Test func trueMuonMatchesTheStudy() throws { try expectGolden("true_muon", TrueMuon()) }
