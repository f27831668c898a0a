//go:build !onednn || !cgo

package onednn

import "time"

// PeakFLOPS returns ErrNotBuilt: this build has no oneDNN.
func PeakFLOPS(threads int, duration time.Duration) (float64, error) { return 0, ErrNotBuilt }
