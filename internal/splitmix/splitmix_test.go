package splitmix

import "testing"

// The first numbers of the generator with seed 0, whose counters are multiples of its increment (Vigna's splitmix64.c).
func TestMixIsTheGenerator(t *testing.T) {
	const increment = 0x9E3779B97F4A7C15
	var counter uint64
	for i, want := range []uint64{0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC} {
		if got := Mix(counter); got != want {
			t.Errorf("number %d is %#x, want %#x", i, got, want)
		}
		counter += increment
	}
}

func TestUnitStaysInItsRange(t *testing.T) {
	least, most := 1.0, -1.0
	for i := range uint64(100000) {
		u := Unit(i)
		if u < -1 || u >= 1 || float64(float32(u)) != u {
			t.Fatalf("number %d is %v", i, u)
		}
		least, most = min(least, u), max(most, u)
	}
	if least > -0.999 || most < 0.999 {
		t.Errorf("100,000 numbers lie in [%v, %v]", least, most)
	}
}
