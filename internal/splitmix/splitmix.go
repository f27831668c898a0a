// Package splitmix is the generator of Steele, Lea and Flood ("Fast splittable pseudorandom number generators", 2014) as
// a function of its counter: neighbouring counters give unrelated numbers, the same on every machine and in every release.
package splitmix

// Mix is the number at counter x.
func Mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// Unit is the number at counter x as one that is uniform in [-1, 1), in steps of 2^-23: all of them are float32 numbers.
func Unit(x uint64) float64 {
	const bits = 24 // what a float32 can hold
	return float64(Mix(x)>>(64-bits))/(1<<(bits-1)) - 1
}
