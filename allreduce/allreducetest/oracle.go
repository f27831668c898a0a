package allreducetest

import (
	"ringloom/allreduce"
	"ringloom/allreduce/codec"
)

// Sum says, naively, what an all-reduce of in (by rank) must give in a format, to the bit: chunk by chunk of each
// segment of each ring's part, encoded at every hop and once more when finished. residuals (by rank) are updated; nil
// without error feedback.
func Sum(cfg allreduce.Config, in [][]float32, f codec.Format, residuals [][]float32) []float32 {
	sum := make([]float32, len(in[0]))
	eachChunk(cfg, len(sum), f, func(owner, from, to int) {
		last := (owner + cfg.WorldSize - 1) % cfg.WorldSize
		copy(sum[from:to], hop(f, reduce(in, f, residuals, owner, from, to), residuals, last, from, to))
	})
	return sum
}

// PartialSum is the same for a reduce-scatter: every element as the rank that owns it has it.
func PartialSum(cfg allreduce.Config, in [][]float32, f codec.Format, residuals [][]float32) []float32 {
	sum := make([]float32, len(in[0]))
	eachChunk(cfg, len(sum), f, func(owner, from, to int) {
		copy(sum[from:to], reduce(in, f, residuals, owner, from, to))
	})
	return sum
}

// eachChunk calls do for every chunk of a vector and the rank that sends it first.
func eachChunk(cfg allreduce.Config, length int, f codec.Format, do func(first, from, to int)) {
	step := max(1, f.Fit(cfg.ChunkBytes))
	stripes := min(cfg.Rings, max(1, 4*length/allreduce.StripeBytes))
	parts(0, length, stripes, func(_, from, to int) {
		parts(from, to, cfg.WorldSize, func(segment, from, to int) {
			for ; from < to; from += step {
				do(segment, from, min(from+step, to))
			}
		})
	})
}

// parts cuts from..to into n parts; the first ones are one longer where it does not divide.
func parts(from, to, n int, do func(i, from, to int)) {
	length := to - from
	for i := range n {
		end := from + length/n
		if i < length%n {
			end++
		}
		do(i, from, end)
		from = end
	}
}

// reduce is x_first + x_first+1 + ..., encoded wherever it passes from one rank to the next.
func reduce(in [][]float32, f codec.Format, residuals [][]float32, first, from, to int) []float32 {
	size := len(in)
	partial := in[first][from:to]
	for k := 1; k < size; k++ {
		passed := hop(f, partial, residuals, (first+k-1)%size, from, to)
		for i, v := range in[(first+k)%size][from:to] {
			passed[i] = v + passed[i]
		}
		partial = passed
	}
	return partial
}

// hop encodes values as a rank sends them, and decodes them as its neighbour receives them.
func hop(f codec.Format, values []float32, residuals [][]float32, rank, from, to int) []float32 {
	wire, out := make([]byte, f.Size(len(values))), make([]float32, len(values))
	if residuals != nil {
		f.EncodeResidual(wire, values, residuals[rank][from:to])
	} else {
		f.Encode(wire, values)
	}
	f.Copy(out, wire)
	return out
}
