package natsring

import (
	"context"
	"errors"
)

// connection is what the ring needs from a NATS connection. There are two: pipe, to embedded servers, and client, to an
// external one. Neither reconnects. When one breaks, the function that it was opened with is called, once or more.
type connection interface {
	// subscribe passes what arrives on subject to handle, in order, one at a time. handle owns the frame.
	subscribe(subject string, handle func(frame []byte)) error
	// publish writes one message, and waits while the socket is full. If nobody is subscribed and noneTo is not empty,
	// NATS says so there. After the return the data belongs to the caller again.
	publish(subject, noneTo string, data []byte) error
	// flush returns when the server has processed everything before, or ctx ends.
	flush(ctx context.Context) error
	// maxPayload is the server's limit on a message, in bytes.
	maxPayload() int64
	// close ends the connection at once, even if a goroutine hangs in publish. It may be called again.
	close()
}

var (
	errClosed       = errors.New("connection closed")
	errCutOff       = errors.New("the server closed it: it is shutting down, or this rank reads too slowly for its max_pending; its log says which")
	errStale        = errors.New("the server no longer answers")
	errNoSubscriber = errors.New("nobody is subscribed there any more: the rank has left, or the server has cut it off")
)
