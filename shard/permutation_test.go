package shard

import (
	"slices"
	"testing"
)

// The reference values are those of Vigna's splitmix64.c for the seed 1234567.
func TestSplitmixMatchesTheReference(t *testing.T) {
	s := splitmix(1234567)
	for _, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		if got := s.next(); got != want {
			t.Fatalf("got %d, want %d", got, want)
		}
	}
}

// A change of this order would make saved runs resume on other samples.
func TestPermutationNeverChanges(t *testing.T) {
	for _, test := range []struct {
		seed  uint64
		epoch int
		want  []int32
	}{
		{0, 0, []int32{3, 6, 11, 4, 0, 7, 9, 5, 8, 2, 10, 1}},
		{0, 1, []int32{5, 2, 0, 4, 8, 3, 7, 10, 11, 9, 1, 6}},
		{1, 0, []int32{6, 11, 3, 0, 1, 9, 5, 2, 7, 4, 10, 8}},
	} {
		got := make([]int32, 12)
		permute(got, test.seed, test.epoch)
		if !slices.Equal(got, test.want) {
			t.Errorf("seed %d epoch %d: %v, want %v", test.seed, test.epoch, got, test.want)
		}
	}
}

// Every one of the 24 orders of 4 elements should come up about equally often. The bound is chi-square with 23
// degrees of freedom at 1e-6; the seeds are fixed, so the test cannot flicker.
func TestPermutationIsUniform(t *testing.T) {
	const trials = 24000
	count := map[[4]int32]int{}
	var p [4]int32
	for epoch := range trials {
		permute(p[:], 99, epoch)
		count[p]++
	}
	chi := 0.0
	for _, n := range count {
		d := float64(n) - trials/24
		chi += d * d / (trials / 24)
	}
	if len(count) != 24 || chi > 70 {
		t.Errorf("%d orders, chi-square %.1f", len(count), chi)
	}
}

func BenchmarkPermute60000(b *testing.B) {
	p := make([]int32, 60000)
	for i := range b.N {
		permute(p, 1, i)
	}
}
