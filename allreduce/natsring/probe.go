package natsring

import (
	"context"
	"fmt"
)

// Probe connects to the external server of cfg.URL and checks that it takes the ring's frames, so that a node finds out
// before any other waits for it. Errors match ErrConfig, ErrConnect, ErrUnauthorized or ErrMaxPayload. Join checks again.
func Probe(ctx context.Context, cfg Config) error {
	if err := checkURL(cfg.URL); err != nil {
		return err
	}
	conn, err := openClient(ctx, cfg, func(error) {})
	if err != nil {
		return err
	}
	defer conn.close()
	return checkPayload(conn, cfg)
}

func checkPayload(conn connection, cfg Config) error {
	if limit := conn.maxPayload(); limit < int64(cfg.messageBytes()) {
		return fmt.Errorf("%w: max_payload is %d bytes, a message with a frame has %d; lower the chunk size or raise max_payload",
			ErrMaxPayload, limit, cfg.messageBytes())
	}
	return nil
}
