// Package memring carries the frames of package allreduce between ranks of one process, without sockets or copies: for
// tests, and to measure what the protocol costs without a network.
package memring
