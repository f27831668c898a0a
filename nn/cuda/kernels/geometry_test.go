package kernels

import (
	"fmt"
	"strings"
	"testing"

	"ringloom/nn/op"
)

// What the sources have as constants, too.
func TestConstantsAreThoseOfTheSource(t *testing.T) {
	for _, line := range []string{
		fmt.Sprintf("constexpr int sum_threads = %d, sum_lanes = %d, finish_threads = %d;", blockThreads, sumLanes, finishThreads),
		fmt.Sprintf("constexpr int loss_threads = %d;", lossThreads),
		fmt.Sprintf("constexpr float bn_epsilon = %gf, bn_momentum = %gf;", op.BatchNormEpsilon, op.BatchNormMomentum),
	} {
		line = strings.Replace(line, "1e-05", "1e-5", 1)
		if !strings.Contains(Source(), line) {
			t.Errorf("the source does not have %q", line)
		}
	}
	names := make([]string, op.HyperLen)
	for i, name := range map[int]string{
		op.HyperRate: "rate", op.HyperGradScale: "grad_scale", op.HyperL2: "l2", op.HyperDecay: "decay",
		op.HyperMomentum: "momentum", op.HyperBeta2: "beta2", op.HyperRoot: "root", op.HyperEpsilon: "epsilon",
	} {
		names[i] = "hyper_" + name
	}
	if enum := "enum { " + strings.Join(names, ", ") + " };"; !strings.Contains(Source(), enum) {
		t.Errorf("the source does not have %q", enum)
	}
}

func valid(t *testing.T, what string, l Launch, threads uint32) {
	t.Helper()
	if l.Grid[0] < 1 || l.Grid[0] > 1<<31-1 || l.Grid[1] < 1 || l.Grid[1] > maxGridY || l.Grid[2] != 1 {
		t.Errorf("%s: grid %v", what, l.Grid)
	}
	if l.Block != [3]uint32{threads, 1, 1} {
		t.Errorf("%s: block %v, want %d threads", what, l.Block, threads)
	}
}

func TestLaunchesAreValidFromTheSmallestToTheLargest(t *testing.T) {
	for _, multiprocessors := range []int{1, 132} {
		for _, n := range []int64{1, 7, 1 << 10, 1<<31 - 1, 1 << 34} {
			valid(t, "elementwise", Elementwise(n, multiprocessors), blockThreads)
			l, parts := SumOfSquares(n)
			valid(t, "sum of squares", l, blockThreads)
			if uint32(parts) != l.Grid[0] {
				t.Errorf("sum of squares: %d parts in a grid of %d", parts, l.Grid[0])
			}
			valid(t, "pack", Pack(100, n), blockThreads)
			for _, c := range []int{1, 6, 64, 1000, 25088} {
				valid(t, "channels", Channels(n, c, multiprocessors), blockThreads)
				valid(t, "pool", Pool(n, 13, c, multiprocessors), blockThreads)
				l, parts := ColumnSums(n, c, multiprocessors)
				valid(t, "column sums", l, blockThreads)
				if uint32(parts) != l.Grid[1] {
					t.Errorf("column sums: %d parts in a grid of %v", parts, l.Grid)
				}
				f := Finish(parts, c)
				valid(t, "finish", f, f.Block[0])
				if f.Block[0] < blockThreads || f.Block[0] > finishThreads || f.Block[0]%32 != 0 {
					t.Errorf("finish of %d parts: block %v", parts, f.Block)
				}
			}
		}
		valid(t, "pixels", Pixels(1, 1, multiprocessors), blockThreads)
		valid(t, "transpose", Transpose(128, 25, 256, multiprocessors), blockThreads)
		valid(t, "transpose", Transpose(4096, 1, 4096, multiprocessors), blockThreads)
	}
	valid(t, "softmax loss", SoftmaxLoss(), lossThreads)
	valid(t, "sum of squares' end", SumOfSquaresFinish(), blockThreads)
}

// Large sums occupy every multiprocessor, small ones leave few parts to add up.
func TestColumnSumsHaveManyPartsOnlyWhereTheyPay(t *testing.T) {
	for _, c := range []struct{ pixels, c, atLeast, atMost int }{
		{128 * 54 * 54, 96, 2 * 132, 4 * 132}, {128 * 12 * 12, 256, 132, 4 * 132}, {128, 4096, 32, 4 * 132}, {128, 10, 1, 1}, {128 * 28 * 28, 6, 50, 4 * 132},
	} {
		l, _ := ColumnSums(int64(c.pixels), c.c, 132)
		if blocks := int(l.Grid[0] * l.Grid[1]); blocks < c.atLeast || blocks > c.atMost+int(l.Grid[0]) {
			t.Errorf("%d pixels of %d channels: %d blocks, want %d to %d", c.pixels, c.c, blocks, c.atLeast, c.atMost)
		}
	}
}
