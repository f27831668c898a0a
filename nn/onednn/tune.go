//go:build onednn && cgo

package onednn

// #include "kernel.h"
import "C"

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"ringloom/nn/op"
)

const (
	// tuneBatch bounds the images that an algorithm is tried with: more take longer and change little.
	tuneBatch = 64
	// tuneRounds and tuneTime bound the tries of an operation. In a round each algorithm runs once, so that a machine
	// that does other things for a while slows all of them; the best run of each counts.
	tuneRounds = 6
	tuneTime   = 600 * time.Millisecond
	// hopeless is how many times slower than the best an algorithm's first run is for it to be given up.
	hopeless = 2
	// worthwhile is the time that another algorithm must come down to, relative to what a rule would choose.
	worthwhile = 0.95
	// strictWorthwhile is the same for a device of strict sums, whose rule looks at digits.
	strictWorthwhile = 0.7
)

var _ op.Tuner = (*Device)(nil)

// Tune tries the candidates of each convolution and linear layer among specs and keeps the fastest.
func (d *Device) Tune(ctx context.Context, specs []op.Spec) error {
	if d.closed {
		return ErrClosed
	}
	for _, spec := range specs {
		if err := spec.Validate(); err != nil {
			return fmt.Errorf("oneDNN device: %w", err)
		}
		key, trial := tuneKey(spec), atBatch(spec, tuneBatch)
		if _, known := d.choices[key]; known || d.direct || len(d.candidates(spec)) < 2 {
			continue
		}
		fastest, err := d.fastest(ctx, trial)
		if err != nil {
			return err
		}
		d.choices[key] = fastest
	}
	return nil
}

// fastest tries the candidates on a device of its own, whose memory goes when it closes.
func (d *Device) fastest(ctx context.Context, spec op.Spec) (best algorithm, err error) {
	trial, err := open(Options{Threads: int(d.c.threads), Strict: d.strict})
	if err != nil {
		return best, err
	}
	defer trial.Close()
	dstLens, srcLens := op.Lens(spec)
	dst, err := trial.operands(dstLens)
	if err != nil {
		return best, err
	}
	src, err := trial.operands(srcLens)
	if err != nil {
		return best, err
	}
	tries, err := trial.tries(spec)
	if err != nil {
		return best, err
	}
	begin := time.Now()
	for round := 0; round < tuneRounds && (round < 2 || time.Since(begin) < tuneTime); round++ {
		for i := range tries {
			if ctx.Err() != nil {
				return best, context.Cause(ctx)
			}
			if err := tries[i].run(dst, src, round); err != nil {
				return best, err
			}
		}
		tries = slices.DeleteFunc(tries, func(t try) bool { return t.best > hopeless*slices.MinFunc(tries, faster).best })
	}
	return slices.MinFunc(tries, faster).algorithm, nil
}

// try is one algorithm of an operation.
type try struct {
	algorithm algorithm
	kernel    *kernel
	factor    float64       // what its time counts for
	best      time.Duration // times factor
}

func faster(a, b try) int { return cmp.Compare(a.best, b.best) }

// tries are the candidates, compiled. What the rule says has an advantage.
func (d *Device) tries(spec op.Spec) (all []try, err error) {
	expected := d.rules().choose(spec)
	for _, a := range d.candidates(spec) {
		t := try{algorithm: a, factor: 1}
		switch {
		case a == expected && d.strict:
			t.factor = strictWorthwhile
		case a == expected:
			t.factor = worthwhile
		}
		if t.kernel, err = d.compile(spec, a); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// run measures it once. The first round only warms up: its time stands until the second.
func (t *try) run(dst, src []op.Buffer, round int) error {
	begin := time.Now()
	if err := t.kernel.Run(dst, src); err != nil {
		return err
	}
	if took := time.Duration(t.factor * float64(time.Since(begin))); round < 2 || took < t.best {
		t.best = took
	}
	return nil
}

// operands allocates operands with numbers in them that are neither zero nor denormal.
func (d *Device) operands(lens []int) ([]op.Buffer, error) {
	all := make([]op.Buffer, len(lens))
	for i, n := range lens {
		var err error
		if all[i], err = d.Alloc(n); err != nil {
			return nil, err
		}
		state := uint32(i + 1)
		for j := range all[i].Host {
			state = state*1664525 + 1013904223 // Numerical Recipes' generator
			all[i].Host[j] = float32(int32(state)|1) / (1 << 31)
		}
	}
	return all, nil
}

// Choices are the algorithms that were found to be fastest, or that SetChoices gave.
func (d *Device) Choices() map[string]string {
	named := make(map[string]string, len(d.choices))
	for key, a := range d.choices {
		named[key] = a.String()
	}
	return named
}

// SetChoices adds choices. An algorithm of another version of this package, or for another instruction set, counts for
// nothing when its operation is compiled.
func (d *Device) SetChoices(named map[string]string) {
	byName := map[string]algorithm{}
	for a := direct; a < algorithms; a++ {
		byName[a.String()] = a
	}
	for key, name := range named {
		if a, ok := byName[name]; ok {
			d.choices[key] = a
		}
	}
}

// Machine names the processor, oneDNN's version, the instruction set and the threads.
func (d *Device) Machine() string {
	var signature, brand [4]C.uint32_t
	C.rl_cpuid(1, 0, &signature[0])
	name := ""
	for leaf := C.uint32_t(0x80000002); leaf <= 0x80000004; leaf++ {
		C.rl_cpuid(leaf, 0, &brand[0])
		name += C.GoStringN((*C.char)(unsafe.Pointer(&brand[0])), 16)
	}
	return fmt.Sprintf("%s, %s", cleanName(fmt.Sprintf("%s CPUID %x", name, uint32(signature[0]))), d.Description())
}
