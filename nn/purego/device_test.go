package purego_test

import (
	"testing"

	"ringloom/nn"
	"ringloom/nn/nntest"
	"ringloom/nn/purego"
)

func TestConformance(t *testing.T) {
	nntest.Run(t, func(testing.TB) nn.Device { return purego.New() })
}

func TestClosedDeviceRefuses(t *testing.T) {
	d := purego.New()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Alloc(1); err == nil {
		t.Error("Alloc on a closed device gave no error")
	}
	if _, err := d.Compile(nn.SigmoidForward{Len: 1}); err == nil {
		t.Error("Compile on a closed device gave no error")
	}
}
