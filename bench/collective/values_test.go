package collective

import (
	"testing"

	"ringloom/allreduce/codec"
)

// Partial sums in any order are exact, so the result does not depend on the order of the ring.
func TestSumsAreExactInEveryOrder(t *testing.T) {
	for _, numbers := range []Numbers{NumbersOf(codec.Float32), NumbersOf(codec.BF16), NumbersOf(codec.FP16)} {
		for _, ranks := range []int{2, 3, 64} {
			limit := numbers.limit(ranks)
			if limit < 1 || limit*ranks > 1<<numbers.ExactBits {
				t.Fatalf("%+v, %d ranks: values up to %d", numbers, ranks, limit)
			}
			negative := 0
			for i := range 1000 {
				up, down, exact := float32(0), float32(0), 0
				for r := range ranks {
					v := value(r, i, limit)
					if v < -limit || v > limit {
						t.Fatalf("value(%d, %d, %d) = %d", r, i, limit, v)
					}
					if v < 0 {
						negative++
					}
					exact += v
					up += float32(v)
					down += float32(value(ranks-1-r, i, limit))
				}
				if up != float32(exact) || down != up || int(up) != exact {
					t.Fatalf("element %d of %d ranks: %v, %v, exactly %d", i, ranks, up, down, exact)
				}
			}
			if all := 1000 * ranks; negative < all/4 || negative > 3*all/4 {
				t.Errorf("%d ranks: %d of %d values are negative", ranks, negative, all)
			}
		}
	}
}

// Segments, chunks or ranks that are mixed up must show.
func TestValuesTellRanksAndElementsApart(t *testing.T) {
	buf := make([]float32, 1<<16)
	fill(buf, 1, maxLimit)
	if wrong := wrongCopies(buf, 0, 1, maxLimit); wrong != 0 {
		t.Fatalf("%d wrong", wrong)
	}
	if wrong := wrongCopies(buf, 0, 2, maxLimit); wrong < 1<<16*9/10 {
		t.Errorf("only %d of 65536 elements tell rank 1 from rank 2", wrong)
	}
	for _, shift := range []int{1, 64, 1 << 12, 1 << 14} {
		if wrong := wrongCopies(buf[shift:], 0, 1, maxLimit); wrong < int64(len(buf)-shift)*9/10 {
			t.Errorf("a shift by %d shows in %d of %d elements", shift, wrong, len(buf)-shift)
		}
		if wrong := wrongCopies(buf[shift:], shift, 1, maxLimit); wrong != 0 {
			t.Errorf("%d elements from %d on are taken for wrong", wrong, shift)
		}
	}
}

func TestRepeatsStayBelowTheLargestNumber(t *testing.T) {
	for _, numbers := range []Numbers{NumbersOf(codec.Float32), {ExactBits: 11, MaxExponent: 15}} {
		for _, ranks := range []int{2, 3, 4, 1000} {
			sum := float64(numbers.limit(ranks))
			for range numbers.repeats(ranks) {
				sum *= float64(ranks)
			}
			if limit := float64(numbers.limit(ranks) * ranks); sum > limit && sum > exp2(numbers.MaxExponent) {
				t.Errorf("%+v, %d ranks: %v after %d sums", numbers, ranks, sum, numbers.repeats(ranks))
			}
		}
	}
}

func exp2(n int) float64 {
	x := 1.0
	for range n {
		x *= 2
	}
	return x
}
