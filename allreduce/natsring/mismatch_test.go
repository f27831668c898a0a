package natsring_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
	"ringloom/allreduce/codec"
	"ringloom/allreduce/natsring"
)

// A setting on which ranks differ is named on every rank, in one line and with both values, even where a rank hears of
// it only from a neighbour.
func TestADifferenceBetweenRanksIsNamedOnAll(t *testing.T) {
	type call func(ctx context.Context, g *allreduce.Group) error
	reduce := func(n int, s allreduce.Sum) call {
		return func(ctx context.Context, g *allreduce.Group) error {
			return g.StartAllReduce(make([]float32, n), s).Wait(ctx)
		}
	}
	scatter := func(ctx context.Context, g *allreduce.Group) error {
		return g.StartReduceScatter(make([]float32, 10), allreduce.Sum{}).Wait(ctx)
	}
	gather := func(ctx context.Context, g *allreduce.Group) error {
		_, err := g.AllGatherBytes(ctx, make([]byte, 40))
		return err
	}
	broadcast := func(n, root int) call {
		return func(ctx context.Context, g *allreduce.Group) error { return g.Broadcast(ctx, make([]float32, n), root) }
	}
	const long = allreduce.StripeBytes / 4 // of two rings, each has half of twice as much
	for _, c := range []struct {
		name        string
		rings       int
		one, others call
		want        []string
	}{
		{"length", 1, reduce(10, allreduce.Sum{}), reduce(11, allreduce.Sum{}), []string{"has 1", "elements, this rank 1"}},
		{"length shared by rings", 2, reduce(2*long, allreduce.Sum{}), reduce(2*long+1, allreduce.Sum{}), []string{"32768", "32769", "elements"}},
		{"length that fewer rings share", 2, reduce(2*long, allreduce.Sum{}), reduce(2*long-1, allreduce.Sum{}), []string{"32768", "32767", "elements"}},
		{"format", 1, reduce(10, allreduce.Sum{Format: codec.BF16}), reduce(10, allreduce.Sum{}), []string{"bf16", "float32"}},
		{"lossy formats", 1, reduce(10, allreduce.Sum{Format: codec.BF16}), reduce(10, allreduce.Sum{Format: codec.Int8}), []string{"bf16", "int8"}},
		{"bucket", 1, reduce(10, allreduce.Sum{Bucket: 3}), reduce(10, allreduce.Sum{Bucket: 4}), []string{"bucket 3", "bucket 4"}},
		{"collective", 1, reduce(10, allreduce.Sum{}), (func(ctx context.Context, g *allreduce.Group) error { return g.Barrier(ctx) }), []string{"all-reduce", "barrier"}},
		{"half of a sum", 1, reduce(10, allreduce.Sum{}), scatter, []string{"all-reduce", "reduce-scatter"}},
		{"gather", 1, gather, scatter, []string{"gather", "reduce-scatter"}},
		{"length of a broadcast", 1, broadcast(10, 1), broadcast(12, 1), []string{"10", "12", "elements"}},
		{"root", 1, broadcast(10, 2), broadcast(10, 0), []string{"for the root", "rank 2", "rank 0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ring := ringConfig(3)
			ring.Rings = c.rings
			cluster := joinAll(t, ring, "")
			errs := allreducetest.Run(cluster.groups, func(g *allreduce.Group) error {
				f := c.others
				if g.Rank() == 1 {
					f = c.one
				}
				if err := f(t.Context(), g); err != nil {
					return err
				}
				return g.Barrier(t.Context()) // a rank that has only sent is done
			})
			for r, err := range errs {
				t.Log(err)
				if !errors.Is(err, allreduce.ErrMismatch) && !errors.Is(err, allreduce.ErrAborted) {
					t.Errorf("rank %d: %v", r, err)
				}
				for _, want := range append(c.want, allreduce.ErrMismatch.Error()) {
					if err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")) {
						t.Errorf("rank %d does not say %q in a line: %v", r, want, err)
					}
				}
			}
			allreducetest.CloseAll(cluster.groups)
		})
	}
}

// Why a rank does not join is passed from rank to rank, so that those that are not its neighbours hear it too.
func TestAllRanksHearWhyOneDoesNotJoin(t *testing.T) {
	for _, c := range []struct {
		name   string
		server func(*natsring.ServerConfig) // rank 2's
		ring   func(*allreduce.Config)      // rank 2's
		kind   error                        // what the ranks next to it and it itself report
		want   []string
	}{
		{"max_payload", func(c *natsring.ServerConfig) { c.MaxPayloadBytes = 100_000 }, nil, natsring.ErrMaxPayload, []string{"100000 bytes", "262208", "lower the chunk size or raise max_payload"}},
		{"chunk bytes", nil, func(c *allreduce.Config) { c.ChunkBytes /= 2 }, allreduce.ErrMismatch, []string{"chunk bytes", "262144", "131072"}},
		{"window bytes", nil, func(c *allreduce.Config) { c.WindowBytes *= 2 }, allreduce.ErrMismatch, []string{"window bytes", "4194304", "8388608"}},
		{"rings", nil, func(c *allreduce.Config) { c.Rings = 3 }, allreduce.ErrMismatch, []string{"number of rings", "1", "3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const size, odd = 5, 2
			var servers []*natsring.Server
			var addrs []string
			for r := range size {
				change := c.server
				if r != odd {
					change = nil
				}
				s := startServer(t, change)
				servers, addrs = append(servers, s), append(addrs, address(s))
			}
			errs := make([]error, size)
			var joined [size]chan struct{}
			join := func(r int) {
				defer close(joined[r])
				ring := ringConfig(size)
				if ring.Rank = r; r == odd && c.ring != nil {
					c.ring(&ring)
				}
				cfg := natsring.DefaultConfig(ring)
				cfg.Server, cfg.Addrs = servers[r], addrs
				g, err := natsring.NewGroup(t.Context(), cfg)
				if err == nil { // its neighbours answered before they heard of the odd one
					err = g.Barrier(t.Context())
					_ = g.Close()
				}
				errs[r] = err
			}
			// A rank that is not there yet cannot be told: the odd one comes last, its neighbours before it.
			for _, phase := range [][]int{{0, 4}, {1, 3}, {odd}} {
				for _, r := range phase {
					joined[r] = make(chan struct{})
					go join(r)
				}
				for _, r := range phase {
					listensOrEnds(servers[r], joined[r])
				}
			}
			for r := range joined {
				<-joined[r]
			}
			for r, err := range errs {
				t.Log(err)
				next := (r+1)%size == odd || (r+size-1)%size == odd || r == odd
				if next && !errors.Is(err, c.kind) || !next && !errors.Is(err, natsring.ErrJoin) && !errors.Is(err, allreduce.ErrAborted) {
					t.Errorf("rank %d: %v", r, err)
				}
				for _, want := range c.want {
					if err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")) {
						t.Errorf("rank %d does not say %q in a line: %v", r, want, err)
					}
				}
			}
		})
	}
}

// listensOrEnds returns when the rank of a server has subscribed there, or has ended.
func listensOrEnds(s *natsring.Server, ended <-chan struct{}) {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for s.Subscriptions() < 4 {
		select {
		case <-ended:
			return
		case <-look.C:
		}
	}
}
