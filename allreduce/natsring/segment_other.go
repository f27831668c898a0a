//go:build !linux

package natsring

import "fmt"

func newSegment(shape) (*segment, error) {
	return nil, fmt.Errorf("%w on this system", errSegment)
}

func openSegment(segmentOffer, shape) (*segment, error) {
	return nil, fmt.Errorf("%w on this system", errSegment)
}
