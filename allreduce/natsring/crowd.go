package natsring

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	crowdInterval = 100 * time.Millisecond
	// introduction is how long a connection may say nothing while there are too many.
	introduction = 300 * time.Millisecond
)

// makeRoom keeps a quarter of the server's places for those who say who they are: while fewer are free, it closes the
// connections that have not, the oldest first. Without it somebody who holds as many as the server takes would keep the
// ring from forming.
func (s *Server) makeRoom(most int) {
	ticker := time.NewTicker(crowdInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-ticker.C:
		}
		if s.nats.NumClients() <= most-most/4 {
			continue
		}
		all, err := s.nats.Connz(&server.ConnzOptions{Sort: server.ByStart, Limit: most})
		if err != nil {
			continue // it is shutting down
		}
		now := time.Now()
		for _, c := range all.Conns {
			if c.Lang == "" && now.Sub(c.Start) > introduction { // every client names its language in CONNECT
				_ = s.nats.DisconnectClientByID(c.Cid) // one that is gone is what was wanted
			}
		}
	}
}

// errCrowded is a server that has no place left just now.
var errCrowded = errors.New("the server has as many connections as it takes")

// crowded says whether the text of an -ERR means that.
func crowded(text string) bool {
	return strings.EqualFold(strings.Trim(text, "'"), server.ErrTooManyConnections.Error())
}

// hungUp says whether the server closed the connection before it had answered, by which a crowded one's reason may be
// lost.
func hungUp(err error) bool {
	for _, e := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// maxHangUps is how often a connection may be closed without a reason.
const maxHangUps = 40

// whileCrowded tries again while the server has no place left: it makes room.
func whileCrowded(ctx context.Context, try func() error) error {
	for hangUps := 0; ; {
		err := try()
		switch {
		case errors.Is(err, errCrowded):
		case hungUp(err) && hangUps < maxHangUps:
			hangUps++
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(crowdInterval / 2):
		}
	}
}
