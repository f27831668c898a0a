package kernels

// Launch is the geometry of a launch: blocks, and threads a block, on each axis.
type Launch struct{ Grid, Block [3]uint32 }

const (
	blockThreads  = 256
	lossThreads   = 512  // loss_threads of loss.cu
	finishThreads = 1024 // finish_threads of sums.cu
	sumLanes      = 32   // sum_lanes of sums.cu
	vector        = 4    // channels or elements a thread and access, of float; bfloat16 may take 8
	tileElements  = 4096 // of permute.cu
	sampleThreads = 128  // sample_threads of samples.cu
	maxGridY      = 65535
)

// line is a one-dimensional launch.
func line(blocks int64, threads int) Launch {
	return Launch{Grid: [3]uint32{uint32(blocks), 1, 1}, Block: [3]uint32{uint32(threads), 1, 1}}
}

// atLeastOne is blocks between 1 and most.
func atLeastOne(blocks, most int64) int64 { return max(1, min(blocks, most)) }

func divideUp(a, b int64) int64 { return (a + b - 1) / b }

// Elementwise is for kernels over n elements: casts, element by element functions, dropout, updates. One vector a
// thread until every multiprocessor has twice its threads: the second half evens out.
func Elementwise(n int64, multiprocessors int) Launch {
	return line(atLeastOne(divideUp(n, blockThreads*vector), 16*int64(multiprocessors)), blockThreads)
}

// Channels is for kernels over pixels of c channels that keep their channels' parameters in registers: bias_act,
// copy_channels, bn_forward, bn_inference, bn_backward. Fewer threads, so that each loads parameters for more pixels.
func Channels(pixels int64, c, multiprocessors int) Launch {
	return line(atLeastOne(divideUp(pixels*int64(c), blockThreads*vector), 8*int64(multiprocessors)), blockThreads)
}

// ColumnSums is for column_sums, bn_moments and bn_sums over pixels of c channels. parts, Grid[1], is the number of
// parts of the buffer of partial results: parts*c floats for column_sums, parts*2*c for the other two. Each part has
// enough pixels for eight a thread, so that small tensors have few.
func ColumnSums(pixels int64, c, multiprocessors int) (l Launch, parts int) {
	tiles := divideUp(int64(c), sumLanes*vector)
	rows := int64(blockThreads) / min(sumLanes, divideUp(int64(c), vector))
	most := min(divideUp(4*int64(multiprocessors), tiles), maxGridY)
	n := atLeastOne(pixels/(8*rows), most)
	l = line(tiles, blockThreads)
	l.Grid[1] = uint32(n)
	return l, int(n)
}

// Finish is for column_sums_finish, bn_moments_finish and bn_sums_finish of c channels.
func Finish(parts, c int) Launch {
	threads := min(finishThreads, max(blockThreads, 32*int(divideUp(int64(parts), 4))))
	return line(divideUp(int64(c), 32), threads)
}

// Pool is for pooling and its gradient: rows of columns pixels of c channels each, which are those of the result: n*oh
// and ow forwards, n*h and w backwards.
func Pool(rows int64, columns, c, multiprocessors int) Launch {
	width := int64(columns) * divideUp(int64(c), vector)
	together := max(1, blockThreads/width)
	return line(atLeastOne(divideUp(rows, together), 32*int64(multiprocessors)), blockThreads)
}

// Pixels is for load_pixels: n images of to x to.
func Pixels(n, to, multiprocessors int) Launch {
	return Pool(int64(n)*int64(to), int(divideUp(int64(to), vector)), 1, multiprocessors)
}

// Pack is for pack_weights of a table of entries, of which the largest has that many elements.
func Pack(entries int, largest int64) Launch {
	l := line(atLeastOne(divideUp(largest, tileElements), 512), blockThreads)
	l.Grid[1] = uint32(entries)
	return l
}

// Transpose is for unpack_gradient (batch o, matrices hw x i), chw_from_hwc and hwc_from_chw (batch n, hw x c).
func Transpose(batch, rows, columns, multiprocessors int) Launch {
	tiles := int64(batch) * divideUp(int64(rows)*int64(columns), tileElements)
	if rows == 1 || columns == 1 { // a plain copy
		return Elementwise(int64(batch)*int64(rows)*int64(columns), multiprocessors)
	}
	return line(atLeastOne(tiles, 8*int64(multiprocessors)), blockThreads)
}

// SumOfSquares is for sum_of_squares of n elements, which has Grid[0] partial results, of a double each. It does not
// depend on the machine, and neither does the sum.
func SumOfSquares(n int64) (l Launch, parts int) {
	l = line(atLeastOne(divideUp(n, blockThreads*vector*8), 512), blockThreads)
	return l, int(l.Grid[0])
}

// SumOfSquaresFinish is for sum_of_squares_finish.
func SumOfSquaresFinish() Launch { return line(1, blockThreads) }

// SoftmaxLoss is for softmax_loss.
func SoftmaxLoss() Launch { return line(1, lossThreads) }

// Samples is for conv_samples at count places.
func Samples(count int) Launch { return line(int64(count), sampleThreads) }
