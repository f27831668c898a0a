package launch

import (
	"bufio"
	"bytes"
	"io"
)

// maxLineBytes is the longest line that is copied; what follows it is dropped.
const maxLineBytes = 1 << 20

// copyLines writes whole lines behind prefix, so that lines of several ranks never mix. A progress bar redraws itself
// with carriage returns; those pieces pass as they are. watch, which may be nil, sees the lines first.
func (l *launcher) copyLines(prefix string, from io.Reader, to io.Writer, watch *crashWatch) {
	line := []byte(prefix)
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLineBytes)
	lines.Split(splitLines)
	for lines.Scan() {
		piece := lines.Bytes()
		if watch != nil && !watch.passes(piece) {
			continue
		}
		if piece[len(piece)-1] != '\r' && len(piece) > 1 {
			piece = append(line[:len(prefix)], piece...) // in one write: what takes it may drop whole ones
			line = piece
		}
		l.outputMu.Lock()
		to.Write(piece)
		l.outputMu.Unlock()
	}
	io.Copy(io.Discard, from) // a line over the limit: keep the process's pipe open all the same
}

// splitLines is a bufio.SplitFunc: pieces that end with a newline or a carriage return, which they keep; the last one gets a newline.
func splitLines(data []byte, atEOF bool) (advance int, piece []byte, err error) {
	if i := bytes.IndexAny(data, "\r\n"); i >= 0 {
		return i + 1, data[:i+1], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), append(data[:len(data):len(data)], '\n'), nil
	}
	return 0, nil, nil
}
