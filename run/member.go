package run

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/natsring"
	"ringloom/cluster"
)

// leaveTimeout bounds the good-bye to the cluster.
const leaveTimeout = 5 * time.Second

// Member is one process of a cluster, from its first port to its good-bye: what everything has that joins one.
type Member struct {
	cfg  MemberConfig
	emit Sink

	secrets secrets // from join on
	server  *natsring.Server
	node    *cluster.Node
}

// NewMember opens nothing yet. sink may be nil.
func NewMember(c MemberConfig, sink Sink) *Member { return &Member{cfg: c, emit: serialize(sink)} }

// Introduction is what a node brings to the cluster.
type Introduction struct {
	Purpose  string         // what the nodes do together, as "training"
	Device   string         // what this node computes on, for the others
	Hardware string         // what that is exactly, as function Hardware says
	Digest   cluster.Digest // what all nodes must agree on; the cluster shows the difference to a node that does not

	AboutDevice, AboutData string // for people: what Looking says
}

// Session is a member's part in one view: who is which rank, and the ring between them.
type Session struct {
	View       cluster.View
	member     *Member
	processors *processors // from OpenRing on
	barren     int         // views before this one in which no step was done
}

// Do joins the cluster, does the work once all nodes are there, and leaves. Work's context ends with the view too; in an elastic job it is
// called again for the view that follows. An error is the root cause, as all ranks found it together: this rank's own, or a PeerError; in an
// elastic job it may be a DepartedError, or wrap a *cluster.Evicted. Call it once.
func (m *Member) Do(ctx context.Context, i Introduction, work func(context.Context, *Session) error) error {
	defer m.close()
	s, err := m.join(ctx, i)
	if err != nil {
		return err
	}
	for {
		err := s.inView(ctx, work)
		if err == nil {
			return nil
		}
		if s, err = s.next(ctx, i.Purpose, err); err != nil {
			return err
		}
	}
}

func (s *Session) inView(ctx context.Context, work func(context.Context, *Session) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.View.Context(), func() { cancel(s.View.Cause()) })()
	return work(ctx, s)
}

// join starts the NATS server, then gossip, and waits for the view.
func (m *Member) join(ctx context.Context, i Introduction) (*Session, error) {
	if err := m.cfg.Validate(); err != nil {
		return nil, UsageError{err}
	}
	var err error
	if m.secrets, err = m.cfg.secrets(); err != nil {
		return nil, err
	}
	if m.cfg.Insecure && m.cfg.WorldSize > 1 {
		m.emit(Warning{"insecure: anybody who reaches the ports can join, and gradients travel in clear text"})
	}
	natsAddr, err := m.startServer()
	if err != nil {
		return nil, err
	}
	digest, err := m.secrets.digest()
	if err != nil {
		return nil, err
	}
	cfg := cluster.Default()
	cfg.Job, cfg.Name, cfg.WorldSize, cfg.Birth = m.cfg.Job, m.cfg.Name, m.cfg.WorldSize, m.cfg.Birth
	if cfg.BindAddr, cfg.BindPort, err = hostPort("bind", m.cfg.Bind); err != nil {
		return nil, UsageError{err}
	}
	cfg.AdvertiseAddr, cfg.Join, cfg.JoinTimeout = m.cfg.Advertise, m.cfg.Join, m.cfg.JoinTimeout
	cfg.NATSAddr, cfg.Device, cfg.Hardware, cfg.Digest = natsAddr, i.Device, i.Hardware, append(i.Digest, digest...)
	if cfg.Key, err = m.secrets.gossip(); err != nil {
		return nil, err
	}
	elastic := m.cfg.Elastic
	cfg.Elastic, cfg.MinRanks, cfg.MaxRanks, cfg.ElasticWait = elastic.On, elastic.MinRanks, elastic.MaxRanks, elastic.Wait
	cfg.OnWaiting, cfg.Logger = func(s cluster.WaitStatus) { m.emit(Waiting{s}) }, m.cfg.ClusterLog
	if err := cfg.Validate(); err != nil {
		return nil, UsageError{err}
	}
	if m.node, err = cluster.Start(ctx, cfg); err != nil {
		return nil, ClusterError{err}
	}
	address := m.node.Self().Addr
	if m.cfg.Announce != nil {
		if err := m.cfg.Announce(address); err != nil {
			return nil, err
		}
	}
	m.emit(Looking{Address: address, Expected: m.cfg.WorldSize, Device: i.AboutDevice, Data: i.AboutData})
	view, err := m.node.WaitView(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, ClusterError{err}
	}
	m.emit(Joined{view})
	return &Session{View: view, member: m}, nil
}

// startServer starts this node's NATS server, unless all use an external one, and gives what the cluster tells of it: the port alone,
// for the others reach it at the address of this node's gossip.
func (m *Member) startServer() (address string, err error) {
	if m.cfg.NATSURL != "" {
		return "", nil
	}
	s := natsring.DefaultServerConfig()
	s.Key = m.secrets.servers()
	s.Warn = func(line string) { m.emit(Diagnostic{Source: "nats server", Text: line}) }
	name, bound := "bind", m.cfg.Bind
	if m.cfg.NATSBind != "" {
		name, bound = "nats-bind", m.cfg.NATSBind
	}
	host, port, err := hostPort(name, bound)
	if err != nil {
		return "", UsageError{err}
	}
	s.Host = host
	if m.cfg.NATSBind != "" {
		s.Port = port
	}
	if m.server, err = natsring.StartServer(s); err != nil {
		return "", ClusterError{settingError(name, " %s: %w", bound, err)}
	}
	return strconv.Itoa(m.server.Port()), nil
}

// Probe finds out whether an external NATS server takes the ring's frames, before any other node waits for this one.
func (m *Member) Probe(ctx context.Context, ring RingConfig) error {
	if m.cfg.NATSURL == "" || m.cfg.WorldSize == 1 {
		return nil
	}
	cfg := natsring.DefaultConfig(ring.Group())
	cfg.URL, cfg.Token = m.cfg.NATSURL, m.cfg.NATSToken
	if !m.cfg.Insecure {
		cfg.Secret = func(int) ([]byte, error) { return nil, nil } // frames are as large as sealed ones
	}
	err := natsring.Probe(ctx, cfg)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, natsring.ErrConfig):
		return UsageError{settingError("nats", ": %w", err)}
	case err == nil:
		return nil
	case errors.Is(err, natsring.ErrMaxPayload):
		return UsageError{settingError("chunk-bytes", " %d: %w", ring.ChunkBytes, err)}
	}
	return ClusterError{settingError("nats", ": %w", err)}
}

// Finish says that this rank's work is done, and waits until all ranks have said so.
func (s *Session) Finish(ctx context.Context) error { return s.member.node.Finish(ctx) }

// Stepped is called after every step: the processors that this rank takes follow how long steps are.
func (s *Session) Stepped() {
	s.barren = 0
	s.processors.step()
}

// Joiners is how many nodes wait to be admitted.
func (s *Session) Joiners() int { return s.member.node.Joiners() }

// rootCause tells the others that this rank has stopped, finds out with them why, and makes of it what this process
// ends with: its own error, or the one of the rank that failed first.
func (s *Session) rootCause(ctx context.Context, purpose string, own error) error {
	node := s.member.node
	if ctx.Err() != nil {
		own = context.Cause(ctx)
		if !errors.Is(own, cluster.ErrInterrupted) {
			own = fmt.Errorf("%w: %w", cluster.ErrInterrupted, own)
		}
	}
	s.member.emit(Stopped{own})
	var lost *allreduce.Error
	if errors.As(own, &lost) {
		if lost.Neighbour >= 0 {
			node.Suspect(lost.Neighbour)
		}
		own = ringError{lost}
	}
	node.Abort(own)
	root := node.RootCause(context.WithoutCancel(ctx))
	if errors.As(own, new(AgreedError)) {
		return own
	}
	var aborted *cluster.Aborted
	var paused *cluster.Paused
	switch {
	case ctx.Err() == nil && errors.As(root, &paused):
		return fmt.Errorf("%s ended at rank %d: %w", purpose, s.View.Rank, paused)
	case ctx.Err() != nil || root == nil || errors.As(root, &aborted) && aborted.Rank == s.View.Rank:
		return own
	case unformed(root):
		return ClusterError{fmt.Errorf("%s has not begun at rank %d: %w", purpose, s.View.Rank, root)}
	}
	return PeerError{fmt.Errorf("%s ended at rank %d: %w", purpose, s.View.Rank, root)}
}

// close says good-bye; after Finish nobody takes it for a failure.
func (m *Member) close() {
	if m.node != nil {
		ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
		defer cancel()
		if err := m.node.Leave(ctx); err != nil {
			m.emit(Diagnostic{Source: "leaving the cluster", Err: err})
		}
		m.node.Close()
	}
	if m.server != nil {
		m.server.Close()
	}
}
