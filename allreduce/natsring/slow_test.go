package natsring_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
)

// An external server that queues less for a client than the ring's window may cut a client off as a slow consumer, now
// and then. The rank that it cuts off says so, the others hear of it; whoever finishes has the right sum.
func TestAServerThatCutsOffSlowConsumers(t *testing.T) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, MaxPayload: 300 << 10, MaxPending: 300 << 10,
		NoLog: true, NoSigs: true, NoSystemAccount: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	url := fmt.Sprintf("nats://127.0.0.1:%d", s.Addr().(*net.TCPAddr).Port)
	const enough = 200
	for view := range uint64(enough) {
		ring := ringConfig(3)
		ring.View, ring.Linger = view, shortDeadline
		c := joinAll(t, ring, url)
		errs := allreducetest.Run(c.groups, func(g *allreduce.Group) error {
			v := make([]float32, 1<<20)
			for range 3 {
				for i := range v {
					v[i] = float32(g.Rank() + i%5)
				}
				if err := g.AllReduce(t.Context(), v); err != nil {
					return err
				}
				for i := range v {
					if want := float32(3 + 3*(i%5)); v[i] != want {
						t.Errorf("rank %d, element %d: %v, want %v", g.Rank(), i, v[i], want)
						break
					}
				}
			}
			return g.Barrier(t.Context())
		})
		allreducetest.CloseAll(c.groups)
		if errors.Join(errs...) == nil {
			continue
		}
		said := false
		for r, err := range errs {
			if err == nil {
				continue
			}
			if err := allreducetest.CheckEnd(r, err, allreduce.ErrTransport); err != nil {
				t.Error(err)
			}
			for _, why := range []string{"max_pending", "the server has cut it off"} {
				said = said || strings.Contains(err.Error(), why)
			}
		}
		if !said {
			t.Errorf("no rank says why: %v", errors.Join(errs...))
		}
		return
	}
	t.Errorf("in %d rings the server cut off nobody", enough)
}
