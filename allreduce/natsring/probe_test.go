package natsring

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"ringloom/allreduce"
)

func TestProbeFindsWhatAServerRefuses(t *testing.T) {
	external, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, Authorization: "secret", MaxPayload: 64 << 10, NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	external.Start()
	defer external.Shutdown()
	if !external.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not start")
	}
	address := external.Addr().String()
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
	external.Shutdown()
	external.WaitForShutdown()
	if err := probe("secret", 32<<10); !errors.Is(err, ErrConnect) {
		t.Errorf("no server: %v", err)
	}
}
