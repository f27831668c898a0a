//go:build !linux

package cluster

import "time"

// sinceBoot is not known here.
func sinceBoot() time.Duration { return 0 }
