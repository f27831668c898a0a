package natsring

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"ringloom/internal/sysinfo"
)

// ErrServer is matched by every failure to start the embedded server.
var ErrServer = errors.New("cannot start the embedded NATS server")

// ServerConfig describes a node's embedded NATS server.
type ServerConfig struct {
	// Host is the address to listen on. Default 0.0.0.0, all interfaces.
	Host string
	// Port is the TCP port. Zero, the default, takes a free one.
	Port int
	// Key is the job's key: every client must prove that it knows it. Empty, the default, lets anybody in.
	Key []byte
	// MaxPayloadBytes bounds one message. Default 8 MiB, what NATS advises at most.
	MaxPayloadBytes int
	// MaxConnections bounds those of clients, this node's own among them. Default: twice what the ranks of the largest
	// number of rings need, for a ring that is tried beside another, and some; at most a third of the files that this
	// process may open, so that strangers who hold connections leave it the others.
	MaxConnections int
	// Warn receives the server's warnings and errors, one line each, from any goroutine. Nil, the default, drops them.
	Warn func(line string)
}

// DefaultServerConfig returns the defaults.
func DefaultServerConfig() ServerConfig {
	most := 2*connectionsPerRing*maxRings + 64
	if n := sysinfo.OpenFiles(); n > 0 {
		most = min(most, n/3)
	}
	return ServerConfig{Host: "0.0.0.0", MaxPayloadBytes: server.MAX_PAYLOAD_MAX_SIZE, MaxConnections: most}
}

const (
	connectionsPerRing = 3  // at a rank's server: its own, and one of each neighbour
	maxRings           = 64 // as allreduce allows
	// authTimeout is how long a client may take to show the token.
	authTimeout = 2 * time.Second
)

// Validate says what is wrong with the configuration. It matches ErrServer.
func (c ServerConfig) Validate() error {
	switch {
	case c.Host == "":
		return fmt.Errorf("%w: Host is empty", ErrServer)
	case c.Port < 0 || c.Port > 65535:
		return fmt.Errorf("%w: Port %d must be 0 to 65535", ErrServer, c.Port)
	case c.MaxConnections < connectionsPerRing:
		return fmt.Errorf("%w: MaxConnections %d must be at least %d", ErrServer, c.MaxConnections, connectionsPerRing)
	case c.MaxPayloadBytes < 1024 || c.MaxPayloadBytes > server.MAX_PAYLOAD_MAX_SIZE:
		return fmt.Errorf("%w: MaxPayloadBytes %d must be 1024 to %d", ErrServer, c.MaxPayloadBytes, server.MAX_PAYLOAD_MAX_SIZE)
	}
	return nil
}

// Server is a node's embedded NATS server. It outlives views: each view joins and leaves it.
type Server struct {
	nats    *server.Server
	key     *nkey
	once    sync.Once
	quit    chan struct{}
	running sync.WaitGroup
}

const (
	startTimeout    = 10 * time.Second
	maxPendingBytes = 256 << 20 // what the server queues for one slow client before it cuts it off
)

// StartServer starts a server and returns when it accepts connections. Errors match ErrServer; a port in use is one.
func StartServer(cfg ServerConfig) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	key, err := newNKey(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServer, err)
	}
	// The server would retry and log; asking for the port first gives its reason at once.
	address := net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port))
	probe, err := net.Listen("tcp", address)
	if err != nil {
		hint := "choose another port or 0 for a free one"
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			hint = "choose an address of this machine, or 0.0.0.0 for all of them"
		}
		return nil, fmt.Errorf("%w on %s: %w; %s", ErrServer, address, err, hint)
	}
	if err := probe.Close(); err != nil {
		return nil, fmt.Errorf("%w on %s: %w", ErrServer, address, err)
	}
	port := cfg.Port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	options := &server.Options{
		Host: cfg.Host, Port: port,
		MaxPayload: int32(cfg.MaxPayloadBytes), MaxPending: maxPendingBytes,
		MaxConn: cfg.MaxConnections, AuthTimeout: authTimeout.Seconds(),
		NoLog: true, NoSigs: true, NoSystemAccount: true,
	}
	if key != nil {
		options.Nkeys = []*server.NkeyUser{{Nkey: key.public}}
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServer, err)
	}
	fatal := make(chan string, 1)
	s.SetLoggerV2(logger{warn: cfg.Warn, fatal: fatal}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(startTimeout) {
		s.Shutdown()
		select {
		case line := <-fatal:
			return nil, fmt.Errorf("%w on %s: %s", ErrServer, address, line)
		default:
			return nil, fmt.Errorf("%w on %s: not ready after %v", ErrServer, address, startTimeout)
		}
	}
	own := &Server{nats: s, key: key, quit: make(chan struct{})}
	own.running.Go(func() { own.makeRoom(cfg.MaxConnections) })
	return own, nil
}

// Port is the TCP port that the server listens on.
func (s *Server) Port() int { return s.nats.Addr().(*net.TCPAddr).Port }

// Close ends the server and its connections, and returns when it has ended. Transports are closed before.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.quit)
		s.running.Wait()
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
	})
}

// logger passes what matters of the server's log on.
type logger struct {
	warn  func(string)
	fatal chan<- string
}

func (l logger) Noticef(string, ...any) {}
func (l logger) Debugf(string, ...any)  {}
func (l logger) Tracef(string, ...any)  {}

func (l logger) Warnf(format string, v ...any)  { l.pass(format, v...) }
func (l logger) Errorf(format string, v ...any) { l.pass(format, v...) }

func (l logger) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
	l.pass(format, v...)
}

func (l logger) pass(format string, v ...any) {
	if l.warn != nil {
		l.warn(fmt.Sprintf(format, v...))
	}
}
