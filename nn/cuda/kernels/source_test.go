package kernels

import (
	"regexp"
	"slices"
	"testing"
)

// A kernel that the source defines and Names leaves out would never be loaded. (One that Names has and the source does not is an error
// when the device loads it.)
func TestNamesAreThoseOfTheSource(t *testing.T) {
	var defined []string
	for _, match := range regexp.MustCompile(`__global__\s+void\s+(\w+?)(_##suffix)?\(`).FindAllStringSubmatch(Source(), -1) {
		if match[2] == "" {
			defined = append(defined, match[1])
		} else {
			defined = append(defined, match[1]+"_f32", match[1]+"_bf16")
		}
	}
	names := Names()
	slices.Sort(defined)
	slices.Sort(names)
	if !slices.Equal(defined, names) {
		t.Errorf("Names() and the source differ:\n%v\n%v", names, defined)
	}
}
