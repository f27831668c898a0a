//go:build !linux

package natsring

import "fmt"

func newSegment(slots, frameBytes int) (*segment, error) {
	return nil, fmt.Errorf("%w on this system", errSegment)
}

func openSegment(segmentOffer, int) (*segment, error) {
	return nil, fmt.Errorf("%w on this system", errSegment)
}
