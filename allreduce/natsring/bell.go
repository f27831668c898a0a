package natsring

import (
	"errors"
	"os"
)

// A bell wakes a rank that sleeps until a frame lies in memory that it shares with a neighbour. It is a pipe of the
// sleeper's, into which its neighbours write a byte. That takes one thread switch per hop; a message through the server
// takes four.
type bell struct {
	offer   bellOffer
	sleeper *os.File // nil at the ringing end
	ringer  int      // file descriptor; -1 at the sleeping end
}

// bellOffer tells a neighbour where the pipe is.
type bellOffer struct {
	PID    int    `json:"pid"`
	FD     int    `json:"fd"`
	Device uint64 `json:"device"` // device and inode say that it is this pipe: another process namespace has other numbers
	Inode  uint64 `json:"inode"`
}

var errBell = errors.New("cannot share a pipe")
