package scaling

// overlap is the time that a rank waits after backward for the last bucket's sum. Bucket i is complete at ready[i] of
// backward's seconds; all-reduces run one after the other, each as soon as its bucket is complete and the one before is
// done.
func overlap(backward float64, ready, sums []float64) float64 {
	end := 0.0
	for i, seconds := range sums {
		end = max(end, ready[i]*backward) + seconds
	}
	return max(0, end-backward)
}

// buckets are the bytes of each all-reduce of a step, and the fraction of backward after which each is complete.
func (s *Study) buckets() (bytes, ready []float64) {
	if len(s.Buckets) == 0 {
		return []float64{float64(s.GradientBytes)}, []float64{1}
	}
	for i, b := range s.Buckets {
		bytes = append(bytes, float64(b))
		if len(s.BucketReady) > 0 {
			ready = append(ready, s.BucketReady[i])
		} else {
			ready = append(ready, float64(i+1)/float64(len(s.Buckets)))
		}
	}
	return bytes, ready
}
