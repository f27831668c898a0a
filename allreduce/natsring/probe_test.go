package natsring

import (
	"errors"
	"fmt"
	"testing"

	"ringloom/allreduce"
)

func TestProbeFindsWhatAServerRefuses(t *testing.T) {
	s := DefaultServerConfig()
	s.Host, s.Token, s.MaxPayloadBytes = "127.0.0.1", "secret", 64<<10
	server, err := StartServer(s)
	if err != nil {
		t.Fatal(err)
	}
	port := server.Port()
	probe := func(token string, chunkBytes int) error {
		cfg := DefaultConfig(allreduce.DefaultConfig())
		cfg.URL, cfg.Token, cfg.Ring.ChunkBytes = fmt.Sprintf("nats://127.0.0.1:%d", port), token, chunkBytes
		return Probe(cfg)
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
	server.Close()
	if err := probe("secret", 32<<10); !errors.Is(err, ErrConnect) {
		t.Errorf("no server: %v", err)
	}
}
