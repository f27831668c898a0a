package allreducetest

import (
	"os"
	"testing"
)

// LongEnv is the environment variable that makes the tests long: `make test-long` sets it.
const LongEnv = "RINGLOOM_TEST_LONG"

// Amount is how much a test does: with -short, usually, and in `make test-long`.
func Amount(short, usual, long int) int {
	switch {
	case os.Getenv(LongEnv) != "":
		return long
	case testing.Short():
		return short
	}
	return usual
}
