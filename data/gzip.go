package data

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip" // a third faster than the standard library's, and linked in already by NATS
)

// errBehind is something behind compressed content that is neither more of it nor padding.
var errBehind = errors.New("something else follows")

// compressed says whether content begins as gzip's does, whatever its file is called. An IDX file begins with two zeros.
func compressed(r *bufio.Reader) bool {
	magic, _ := r.Peek(2)
	return len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b
}

// unpacker decompresses what gzip -d does: several members, and zeros behind the last, with which tapes and object stores fill up blocks.
type unpacker struct {
	from   *bufio.Reader
	member *gzip.Reader
}

func newUnpacker(r *bufio.Reader) (*unpacker, error) {
	member, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	member.Multistream(false)
	return &unpacker{r, member}, nil
}

func (g *unpacker) Read(p []byte) (int, error) {
	for {
		n, err := g.member.Read(p)
		if err != io.EOF || n > 0 {
			if err == io.EOF {
				err = nil // once more, with nothing
			}
			return n, err
		}
		if err := g.next(); err != nil {
			return 0, err
		}
	}
}

// next goes on to the next member; io.EOF says that there is none.
func (g *unpacker) next() error {
	if !compressed(g.from) {
		for {
			b, err := g.from.ReadByte()
			if err != nil {
				return err
			}
			if b != 0 {
				return errBehind
			}
		}
	}
	if err := g.member.Reset(g.from); err != nil {
		return err
	}
	g.member.Multistream(false)
	return nil
}
