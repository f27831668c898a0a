// Package natsring carries the frames of package allreduce over NATS.
//
// Every node runs an embedded server ([StartServer]) for as long as it lives; the server's address is what it gossips.
// For a view, [Join] opens three connections: one in-process to the own server, on which everything for this rank
// arrives, and one to the server of each neighbour, on which this rank publishes straight to it. So a ring edge is one
// TCP hop, and the loss of a neighbour's process is seen as soon as its connection breaks. There is no reconnecting
// inside a view.
//
// Between ranks of one machine, those whose connection has the same address at both ends, frames do not pass the
// server: each direction of an edge is a queue in memory that both have mapped (segment), and a bell (a pipe) wakes a
// rank that sleeps. The greetings agree on it; where it cannot be had, frames go through NATS, and Transport.Describe
// says so.
//
// With Config.URL all three go to one external server or cluster instead. Then a lost neighbour shows when something is
// published to it and nobody is subscribed any more.
//
// What leaves a machine is sealed where ranks share a secret (Config.Secret): frames and greetings are encrypted and
// authenticated with AES-256-GCM, from rank to rank, so that neither the network nor an external server reads or forges
// them. WIRE.md has the layout. Embedded servers let in who proves that he knows the job's key, which travels nowhere.
//
// Subjects are ringloom.<job>.<view>.<ring>.<rank>.<prev|next>, where rank is the receiver and prev or next what the
// sender is to it.
//
// NATS drops what nobody is subscribed to, so Join greets both neighbours and returns only when both have answered, and
// this rank's subscription stands before its first greeting.
package natsring
