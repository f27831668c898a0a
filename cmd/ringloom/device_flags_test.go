package main

import "testing"

// The error of a graph that cannot be recorded names this variable.
func TestGPUWithoutGraphs(t *testing.T) {
	for value, want := range map[string]bool{"": false, "0": false, "1": true} {
		t.Setenv(envEager, value)
		if c := new(deviceFlags).config(); c.Eager != want {
			t.Errorf("%s=%s: %+v", envEager, value, c)
		}
	}
}
