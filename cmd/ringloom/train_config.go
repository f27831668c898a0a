package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"ringloom/train"
)

// configFlags are the flags of everything that must agree on all nodes.
func configFlags(fl *pflag.FlagSet, c *train.Config) {
	for _, s := range train.Settings() {
		settingFlag(fl, s, s.Address(c))
	}
}

// settingFlag is the flag of one setting, which is kept at an address.
func settingFlag(fl *pflag.FlagSet, s train.Setting, address any) {
	switch at := address.(type) {
	case *string:
		fl.StringVar(at, s.Flag, *at, s.Help)
	case *int:
		if s.Bytes {
			fl.Var(intByteSize{at}, s.Flag, s.Help+", "+byteSizeHelp)
			return
		}
		fl.IntVar(at, s.Flag, *at, s.Help)
	case *uint64:
		fl.Uint64Var(at, s.Flag, *at, s.Help)
	case *float64:
		fl.Float64Var(at, s.Flag, *at, s.Help)
	case *bool:
		fl.BoolVar(at, s.Flag, *at, s.Help)
	}
}

// setting is the one of a field of train.Config.
func setting(field string) train.Setting {
	for _, s := range train.Settings() {
		if s.Field == field {
			return s
		}
	}
	panic("no setting " + field)
}

// checkDependent refuses a flag that would have no effect without another, rather than ignoring it.
func checkDependent(fl *pflag.FlagSet, c train.Config) error {
	for _, s := range train.Settings() {
		if need := s.Needs(c); need != nil && fl.Changed(s.Flag) {
			return fmt.Errorf("--%s has no effect without %s: give that as well, or leave it out",
				s.Flag, need.Named("--"+setting(need.Field).Flag))
		}
	}
	return nil
}
