//go:build !linux

package natsring

import "fmt"

func newBell() (*bell, error)           { return nil, fmt.Errorf("%w on this system", errBell) }
func openBell(bellOffer) (*bell, error) { return nil, fmt.Errorf("%w on this system", errBell) }
func (b *bell) ring()                   {}
func (b *bell) listen(wake func())      {}
func (b *bell) close()                  {}
