package natsring

import (
	"errors"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"ringloom/allreduce"
	"ringloom/allreduce/natsring/natsringtest"
)

func TestProbeFindsWhatAServerRefuses(t *testing.T) {
	address, stop, err := natsringtest.StartExternal(server.Options{Authorization: "secret", MaxPayload: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	probe := func(token string, chunkBytes int) error {
		cfg := DefaultConfig(allreduce.DefaultConfig())
		cfg.URL, cfg.Token, cfg.Ring.ChunkBytes = "nats://"+address, token, chunkBytes
		return Probe(t.Context(), cfg)
	}
	if err := probe("secret", 32<<10); err != nil {
		t.Error(err)
	}
	if err := probe("secret", 64<<10); !errors.Is(err, ErrMaxPayload) {
		t.Errorf("a frame that is larger by its header: %v", err)
	}
	if err := probe("wrong", 32<<10); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("another token: %v", err)
	}
	stop()
	if err := probe("secret", 32<<10); !errors.Is(err, ErrConnect) {
		t.Errorf("no server: %v", err)
	}
}
