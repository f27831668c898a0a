package natsring

import (
	"errors"
	"os"
	"testing"
)

func TestABellWakesItsSleeper(t *testing.T) {
	sleeper, err := newBell()
	if err != nil {
		t.Fatal(err)
	}
	ringer, err := openBell(sleeper.offer)
	if err != nil {
		t.Fatal(err)
	}
	defer ringer.close()
	woken, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		sleeper.listen(func() { woken <- struct{}{} })
	}()
	for range 3 {
		ringer.ring()
		<-woken
	}
	sleeper.close()
	<-ended
	ringer.ring() // nobody is there, and nothing happens
}

func TestAFullBellDoesNotBlock(t *testing.T) {
	sleeper, err := newBell()
	if err != nil {
		t.Fatal(err)
	}
	defer sleeper.close()
	ringer, err := openBell(sleeper.offer)
	if err != nil {
		t.Fatal(err)
	}
	defer ringer.close()
	for range 100_000 { // a pipe holds 65,536 bytes
		ringer.ring()
	}
}

func TestBellsThatAreNoneAreRefused(t *testing.T) {
	b, err := newBell()
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, change := range map[string]func(*bellOffer){
		"another process": func(o *bellOffer) { o.PID = 1<<31 - 1 },
		"a file":          func(o *bellOffer) { o.FD = int(file.Fd()) },
		"another pipe":    func(o *bellOffer) { o.Inode++ },
		"another device":  func(o *bellOffer) { o.Device++ },
	} {
		o := b.offer
		change(&o)
		if _, err := openBell(o); !errors.Is(err, errBell) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
