package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"ringloom/launch"
	"ringloom/run"
)

// control is how an elastic launch is told another number of ranks while it runs: by SIGUSR1 and SIGUSR2, and by 'ringloom scale' through
// a socket in a folder that nobody else can enter.
type control struct {
	threads  int
	asks     chan<- launch.Resize
	log      io.Writer
	signals  chan os.Signal
	listener net.Listener // nil where there can be none
	ended    chan struct{}
	work     sync.WaitGroup
}

// What 'ringloom scale' and a launch say to each other: each a JSON value in a line.
type (
	controlAsk struct {
		Ranks int `json:"ranks"` // 0 only asks
	}
	controlReply struct {
		PID    int    `json:"pid"`
		Folder string `json:"folder"` // in which the launch was started
		Before int    `json:"before"`
		Now    int    `json:"now"`
		Error  string `json:"error,omitempty"` // why that stays as it was
	}
)

// controlPatience bounds how long either waits for the other.
const controlPatience = 2 * time.Second

// controlPattern is what the sockets of launches are called, by process.
const controlPattern = "launch-%d.sock"

// newControl listens until it is closed. What it hears goes to asks; threads are those of a rank.
func newControl(threads int, asks chan<- launch.Resize, log io.Writer) *control {
	c := &control{threads: threads, asks: asks, log: log, signals: make(chan os.Signal, 8), ended: make(chan struct{})}
	signal.Notify(c.signals, syscall.SIGUSR1, syscall.SIGUSR2)
	c.work.Go(c.followSignals)
	var err error
	if c.listener, err = listenControl(); err != nil {
		fmt.Fprintf(log, "ringloom: 'ringloom scale' cannot reach this launch, signals can: %v\n", err)
		return c
	}
	c.work.Go(c.accept)
	return c
}

func listenControl() (net.Listener, error) {
	dir, err := run.PrivateDir()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, fmt.Sprintf(controlPattern, os.Getpid()))
	_ = os.Remove(path) // of a process that had this number before
	return net.Listen("unix", path)
}

// close ends it all, and removes the socket.
func (c *control) close() {
	signal.Stop(c.signals)
	close(c.signals)
	close(c.ended)
	if c.listener != nil {
		c.listener.Close()
	}
	c.work.Wait()
}

func (c *control) followSignals() {
	for s := range c.signals {
		more := 1
		if s == syscall.SIGUSR2 {
			more = -1
		}
		if r := c.resize(func(now int) int { return now + more }); r.Error != "" {
			fmt.Fprintf(c.log, "ringloom: signal %d (%v): %s\n", int(s.(syscall.Signal)), s, r.Error)
		}
	}
}

func (c *control) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return // closed, or out of descriptors: signals go on
		}
		c.work.Go(func() { c.serve(conn) })
	}
}

// serve answers one question.
func (c *control) serve(conn net.Conn) {
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(controlPatience)) != nil {
		return
	}
	var ask controlAsk
	if json.NewDecoder(io.LimitReader(conn, 1<<10)).Decode(&ask) != nil {
		return
	}
	reply := c.resize(func(now int) int {
		if ask.Ranks == 0 {
			return now
		}
		return ask.Ranks
	})
	_ = json.NewEncoder(conn).Encode(reply) // who is gone does not want to know
}

// resize asks for another number of ranks, and says so in the log where there is one.
func (c *control) resize(ranks func(now int) int) controlReply {
	folder, _ := os.Getwd()
	r := controlReply{PID: os.Getpid(), Folder: folder}
	replies := make(chan controlReply, 1)
	ask := launch.Resize{
		Ranks: func(now int) (int, error) {
			n := ranks(now)
			if n <= now {
				return n, nil
			}
			if err := checkRanksHere("scale", n, true); err != nil {
				return 0, err
			}
			return n, checkTasks(n-now, c.threads)
		},
		Reply: func(before, now int, err error) {
			if r.Before, r.Now = before, now; err != nil {
				r.Error = err.Error()
			}
			if before != now {
				fmt.Fprintf(c.log, "ringloom: %s wanted, %d before\n", areRanks(now), before)
			}
			replies <- r
		},
	}
	select {
	case c.asks <- ask:
		return <-replies
	case <-c.ended:
		r.Error = "the ranks have ended"
		return r
	}
}

func areRanks(n int) string {
	if n == 1 {
		return "1 rank is"
	}
	return fmt.Sprintf("%d ranks are", n)
}
