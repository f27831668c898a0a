package sysinfo

import (
	"runtime"
	"slices"
	"testing"
)

func TestABoundThreadHasItsCoresAlone(t *testing.T) {
	all, err := AllowedCores()
	if err != nil || len(all) == 0 || !slices.IsSorted(all) {
		t.Fatalf("allowed cores %v: %v", all, err)
	}
	bound := make(chan []int)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine, bound as it is
		if err := BindThread(all[len(all)-1:]); err != nil {
			t.Error(err)
		}
		cores, err := AllowedCores()
		if err != nil {
			t.Error(err)
		}
		bound <- cores
	}()
	if got := <-bound; !slices.Equal(got, all[len(all)-1:]) {
		t.Errorf("bound to %v, want the last of %v", got, all)
	}
}
