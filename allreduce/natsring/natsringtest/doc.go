// Package natsringtest is a TCP proxy between a rank and a NATS server that mistreats what passes.
//
// [Listen] takes the place of a server's address. It understands the client protocol of NATS as far as a ring speaks
// it, so that [Faults] strike whole messages: they are lost, repeated, swapped, damaged, cut short or held up, and
// connections are cut in the middle of a message or not read any more, all drawn from a seed. What the server says back
// passes as it is, or with damaged bytes. Nothing happens before [Proxy.Arm], so that a ring can form first.
//
// The faults of a connection depend on the seed and on what passes; how messages of several connections interleave does
// not repeat itself.
package natsringtest
