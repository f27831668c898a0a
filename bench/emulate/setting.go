package emulate

import (
	"fmt"
	"strings"
	"time"

	"ringloom/models"
)

// Setting is the value of --emulate-step.
type Setting struct {
	// Step is what forward and backward of one rank's step take.
	Step time.Duration
	// Model is the network whose operations share Step; empty where it was not given.
	Model string
}

// longest is the largest Step: with more something else was meant.
const longest = time.Hour

// Parse reads DURATION or DURATION:MODEL, such as "100ms" or "100ms:googlenet".
func Parse(s string) (Setting, error) {
	duration, model, named := strings.Cut(s, ":")
	step, err := time.ParseDuration(duration)
	switch {
	case err != nil:
		return Setting{}, fmt.Errorf("--emulate-step %q: give the time of forward and backward and perhaps a network, such as 100ms or 100ms:googlenet", s)
	case step <= 0 || step > longest:
		return Setting{}, fmt.Errorf("--emulate-step %q: give a time above 0 and up to %v", s, longest)
	}
	if named {
		if _, err := models.Lookup(model); err != nil {
			return Setting{}, fmt.Errorf("--emulate-step %q: %w", s, err)
		}
	}
	return Setting{step, model}, nil
}
