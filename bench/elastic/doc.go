// Package elastic measures what deaths, freezes, leaves and joins cost an elastic job on one machine. It starts the ranks as processes of
// their own, mistreats them one at a time at random phases of a step, and has each one that goes be followed by another.
//
//	cfg := elastic.Config{Ranks: 4, Kills: 20, Stops: 3, Leaves: 5, Seed: 1, Command: command, Dir: dir}
//	result, err := elastic.Run(ctx, cfg)    // blocks; nothing that it started is left when it returns
//	err = elastic.WriteText(out, result)
//
// # What a rank must do
//
// Command is a program that reads a RankConfig as JSON from standard input, trains accordingly, and prints what happens as JSON lines on
// standard output: one Message each. SIGTERM has it leave the job with exit code LeftCode. So this package knows nothing of training.
//
// # What is pure
//
// Which faults there are and when is a function of the seed (Plan); figures (measure, Row) and the audit of samples are functions of what
// the ranks said. They have tests of their own. Drill alone has processes, signals and a clock.
//
// # Times
//
// All processes are on one machine, so its clock is everybody's: times of messages and of signals are compared as they are.
package elastic
