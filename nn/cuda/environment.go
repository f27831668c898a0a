//go:build gpu && cgo

package cuda

import "fmt"

// The variables of the environment that New heeds, for finding faults and what they cost.
const (
	envEager  = "RINGLOOM_CUDA_EAGER"
	envLegacy = "RINGLOOM_CUDNN_LEGACY"
	envOrder  = "RINGLOOM_CUDNN_ANY_ORDER"
)

// withEnvironment is o with what the environment switches on. Other values than 0, 1 and none are errors, so that a
// mistake does not pass for a result.
func (o Options) withEnvironment(lookup func(string) (string, bool)) (Options, error) {
	for _, v := range []struct {
		name string
		to   *bool
	}{{envEager, &o.Eager}, {envLegacy, &o.LegacyConvolutions}, {envOrder, &o.AnyOrder}} {
		switch text, _ := lookup(v.name); text {
		case "1":
			*v.to = true
		case "", "0":
		default:
			return o, fmt.Errorf("$%s is %q: 1 switches it on, 0 leaves it as it is", v.name, text)
		}
	}
	return o, nil
}
