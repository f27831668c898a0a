package natsring_test

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/natsring"
)

// ringKey is the key of the job.
var ringKey = []byte("the key of a job, long enough")

// Somebody without the key holds more connections than a rank's server takes, and takes the place of each that is
// closed: the server has no more than its limit, and the ring forms all the same and goes on.
func TestRingFormsInACrowd(t *testing.T) {
	const most = 60
	crowded := startServer(t, func(c *natsring.ServerConfig) { c.Key, c.MaxConnections = ringKey, most })
	other := startServer(t, func(c *natsring.ServerConfig) { c.Key = ringKey })
	target := address(crowded) // a server that is closed has none
	stop := make(chan struct{})
	var attackers sync.WaitGroup
	full := make(chan struct{})
	var once sync.Once
	for range 200 {
		attackers.Go(func() {
			for {
				conn, err := net.Dial("tcp", target)
				if err == nil {
					// INFO comes first, then nothing while the connection is held, or that there are too many.
					_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
					b := make([]byte, 4096)
					for n := 0; err == nil; {
						if n, err = conn.Read(b); n > 4 && string(b[:4]) == "-ERR" {
							once.Do(func() { close(full) })
						}
						select {
						case <-stop:
							err = net.ErrClosed
						default:
						}
					}
					_ = conn.Close()
				}
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond): // or this machine does nothing else
				}
			}
		})
	}
	defer func() { crowded.Close(); close(stop); attackers.Wait() }()
	<-full // it is at its limit

	servers := []*natsring.Server{crowded, other}
	addrs := []string{target, address(other)}
	ring := ringConfig(2)
	groups, errs := make([]*allreduce.Group, 2), make([]error, 2)
	var wg sync.WaitGroup
	for r := range servers {
		wg.Go(func() {
			own := ring
			own.Rank = r
			cfg := natsring.DefaultConfig(own)
			cfg.Server, cfg.Addrs, cfg.Key, cfg.JoinTimeout = servers[r], addrs, ringKey, time.Minute
			groups[r], errs[r] = natsring.NewGroup(t.Context(), cfg)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	c := &cluster{groups: groups}
	exercise(t, c)
	if err := c.each((*allreduce.Group).Close); err != nil {
		t.Error(err)
	}
}
