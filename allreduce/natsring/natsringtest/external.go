package natsringtest

import (
	"errors"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// StartExternal starts a NATS server on the loopback interface that is no rank's own, with options of which Host, Port
// and logging are set here. stop ends it.
func StartExternal(o server.Options) (address string, stop func(), err error) {
	o.Host, o.Port, o.NoLog, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
	s, err := server.NewServer(&o)
	if err != nil {
		return "", nil, err
	}
	s.Start()
	stop = func() { s.Shutdown(); s.WaitForShutdown() }
	if !s.ReadyForConnections(30 * time.Second) {
		stop()
		return "", nil, errors.New("the server does not start")
	}
	return s.Addr().String(), stop, nil
}

// StartPasswordServer is StartExternal with a server that demands a user and a password.
func StartPasswordServer(user, password string) (address string, stop func(), err error) {
	return StartExternal(server.Options{Username: user, Password: password})
}
