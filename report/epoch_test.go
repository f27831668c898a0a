package report

import "testing"

func TestUpdateLineLeavesOutWhatWasNotMeasured(t *testing.T) {
	if got, want := UpdateLine(0.0012345, 1.5, 23), "learning rate 0.00123, gradient norm mean 1.5, max 23"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := UpdateLine(0.1, 0, 0), "learning rate 0.1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEpochLineIsTheCourses(t *testing.T) {
	got := EpochLine(1, 0.45284, 0.8339, 0.8741, 962.68)
	if want := "epoch 1, loss 0.4528, train acc 0.834, test acc 0.874, time 962.7 sec"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTableAlignsAndSums(t *testing.T) {
	got := Table([]RankRow{
		{Rank: 0, Node: "worker-0", Device: "cpu", Images: 30000, Data: 0.1, Forward: 1, Backward: 1.5, ExposedComm: 0.2, Optimizer: 0.1, Eval: 0.25, Total: 3},
		{Rank: 1, Node: "worker-1", Device: "purego", Images: 30000, Data: 0.3, Forward: 2, Backward: 3.5, ExposedComm: 0, Optimizer: 0.1, Eval: 0.35, Total: 6},
	})
	want := "" +
		"       rank  images/s  data s  forward s  backward s  exposed comm s  optimizer s  eval s  device      node\n" +
		"          0     10000    0.10       1.00        1.50            0.20         0.10    0.25     cpu  worker-0\n" +
		"          1      5000    0.30       2.00        3.50            0.00         0.10    0.35  purego  worker-1\n" +
		"  sum, mean     15000    0.20       1.50        2.50            0.10         0.10    0.30                  \n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
